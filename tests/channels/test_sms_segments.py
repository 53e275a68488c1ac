from __future__ import annotations

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.channels.sms.gateway_xml import message
from altinn_notifications.channels.sms.segments import (
    GSM_BASIC,
    GSM_EXTENSION,
    Encoding,
    is_gsm,
    segmentation,
    segments_of,
)

CLOCK_FACE = "\U0001f550"


ANY_TEXT = st.text(max_size=700)
GSM_TEXT = st.text(alphabet=sorted(GSM_BASIC | GSM_EXTENSION), max_size=700)


def parts_by_hand(text: str) -> int:
    """The standard's words said once more: each part filled with whole characters until the next one does not fit."""
    gsm = is_gsm(text)
    single, part = (160, 134) if gsm else (70, 67)
    sizes = [1 + (character in GSM_EXTENSION if gsm else ord(character) > 0xFFFF) for character in text]
    if sum(sizes) <= single:
        return 1
    parts: list[int] = [0]
    for size in sizes:
        if parts[-1] + size > part:
            parts.append(0)
        parts[-1] += size
    return len(parts)


@given(st.one_of(ANY_TEXT, GSM_TEXT))
def test_every_part_holds_whole_characters_and_as_many_as_fit(text: str) -> None:
    found = segmentation(text)
    assert found.segments == min(16, parts_by_hand(text))
    assert found.is_cut == (parts_by_hand(text) > 16)


@given(ANY_TEXT, ANY_TEXT)
def test_a_longer_text_never_counts_less(text: str, more: str) -> None:
    assert segmentation(text + more).segments >= segmentation(text).segments


@given(ANY_TEXT)
def test_what_is_stored_is_what_a_handset_gets(text: str) -> None:
    sent = fromstring(
        message("Altinn", "+4799999999", text, minutes=1, unicode_when_needed=False).partition(b"<SND>")[0]
    )
    assert segments_of(text) == segmentation(sent.text or "").segments


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 5000, 16),
        ("," * 160, 1),
        ("a\r\n" * 80, 1),
        ("a\r\n" * 81, 2),
        ("\x00" * 200, 1),
        ("æøåÆØÅ" * 26, 1),
        (CLOCK_FACE * 536, 16),
    ],
)
def test_a_text_is_counted_as_it_is_sent(text: str, count: int) -> None:
    assert segments_of(text) == count


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
        ("a" * 133 + "€" + "a" * 133, Encoding.GSM_7BIT, 268, 3),
        ("€" * 134, Encoding.GSM_7BIT, 268, 2),
        ("a" + "€" * 133, Encoding.GSM_7BIT, 267, 2),
        ("ê" * 66 + CLOCK_FACE + "ê" * 66, Encoding.UCS_2, 134, 3),
        (CLOCK_FACE * 67, Encoding.UCS_2, 134, 3),
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
    assert segments_of("\ud83d") == 1
    assert segmentation("\ud83d").encoding is Encoding.UCS_2
