from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.channels.sms.segments import (
    GSM_BASIC,
    GSM_EXTENSION,
    Encoding,
    counted_segments,
    is_gsm,
    segmentation,
)

CLOCK_FACE = "\U0001f550"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 268, 2),
        ("a" * 269, 3),
        ("a" * 500, 4),
        ("a" * 2144, 16),
        ("a" * 2145, 16),
        ("a" * 5000, 16),
        ("æ" * 26, 1),
        ("æ" * 27, 2),
        (CLOCK_FACE * 13, 1),
        (CLOCK_FACE * 14, 2),
        ("," * 53, 1),
        ("," * 54, 2),
        (" " * 160, 1),
        ("\n" * 53, 1),
        ("\n" * 54, 2),
        ("€" * 17, 1),
        ("€" * 18, 2),
        ("-_.!*()" * 22, 1),
    ],
)
def test_counted_segments_follow_the_url_encoded_length(text: str, count: int) -> None:
    assert counted_segments(text) == count


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=700))
def test_counting_agrees_with_a_url_encoder(text: str) -> None:
    length = len(quote(text, safe="-_.!*() ").replace("~", "%7E"))
    assert counted_segments(text) == min(16, 1 if length <= 160 else (length + 133) // 134)


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_longer_text_never_counts_less(text: str, more: str) -> None:
    assert counted_segments(text + more) >= counted_segments(text)
    assert segmentation(text + more).segments >= segmentation(text).segments


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", Encoding.GSM_7BIT, 0, 1),
        ("a" * 160, Encoding.GSM_7BIT, 160, 1),
        ("a" * 161, Encoding.GSM_7BIT, 161, 2),
        ("æ" * 160, Encoding.GSM_7BIT, 160, 1),
        ("€" + "a" * 158, Encoding.GSM_7BIT, 160, 1),
        ("€" + "a" * 159, Encoding.GSM_7BIT, 161, 2),
        ("a" * 268, Encoding.GSM_7BIT, 268, 2),
        ("a" * 269, Encoding.GSM_7BIT, 269, 3),
        ("ê" * 70, Encoding.UCS_2, 70, 1),
        ("ê" * 71, Encoding.UCS_2, 71, 2),
        ("ê" * 134, Encoding.UCS_2, 134, 2),
        ("ê" * 135, Encoding.UCS_2, 135, 3),
        (CLOCK_FACE * 35, Encoding.UCS_2, 70, 1),
        (CLOCK_FACE * 36, Encoding.UCS_2, 72, 2),
        ("Привет", Encoding.UCS_2, 6, 1),
    ],
)
def test_a_handset_receives_as_many_segments_as_the_alphabet_demands(
    text: str, encoding: Encoding, units: int, segments: int
) -> None:
    found = segmentation(text)
    assert (found.encoding, found.units, found.segments, found.is_cut) == (encoding, units, segments, False)


def test_the_gateway_drops_what_is_longer_than_sixteen_parts() -> None:
    assert not segmentation("a" * 2144).is_cut
    cut = segmentation("a" * 2145)
    assert (cut.segments, cut.is_cut) == (16, True)


def test_the_gsm_alphabet_has_the_size_of_the_standard() -> None:
    assert len(GSM_BASIC) == 127  # 128 code points, one of them the escape
    assert len(GSM_EXTENSION) == 10
    assert not GSM_BASIC & GSM_EXTENSION
    assert is_gsm("Hei på deg, {navn} €")
    assert not is_gsm("ê")


def test_lone_surrogates_are_counted_and_not_an_error() -> None:
    assert counted_segments("\ud83d") == 1
    assert segmentation("\ud83d").encoding is Encoding.UCS_2
