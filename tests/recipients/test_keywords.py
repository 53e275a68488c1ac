from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.recipients.contacts import Identity, Kind
from altinn_notifications.recipients.keywords import has_keywords, personalised

KARI = Identity(Kind.PERSON, "12838530255")
FLINK = Identity(Kind.ORGANIZATION, "319900241")


@pytest.mark.parametrize(
    ("text", "identity", "name", "result"),
    [
        ("Hi $recipientName$ $recipientNumber$", KARI, "Kari", "Hi Kari "),
        ("Hi $recipientName$ $recipientNumber$", FLINK, "FLINK AS", "Hi FLINK AS 319900241"),
        ("$recipientName$, $recipientName$!", KARI, "Kari", "Kari, Kari!"),
        ("Hi $recipientName$", KARI, "", "Hi "),
        ("Hi $RECIPIENTNAME$", KARI, "Kari", None),
        ("Hi $recipientName", KARI, "Kari", None),
        ("Hi", KARI, "Kari", None),
        ("$recipientNumber$", KARI, "Kari", None),
        (" $recipientName$\n", KARI, "", None),
        ("$recipientNumber$", FLINK, "", "319900241"),
        ("$$recipientName$$", KARI, "Kari", "$Kari$"),
        ("Hi $recipientName$", KARI, "$recipientNumber$", "Hi $recipientNumber$"),
        ("Hi $recipientName$", KARI, r"\g<0>", r"Hi \g<0>"),
        ("Hi $recipientName$", KARI, "A & B <AS>", "Hi A & B <AS>"),
    ],
)
def test_keywords_are_replaced_in_one_pass(text: str, identity: Identity, name: str, result: str | None) -> None:
    assert personalised(text, identity, name) == result


def test_in_html_the_name_reads_as_it_is_written() -> None:
    body = '<p title="$recipientName$">$recipientName$ & $recipientNumber$</p>'
    assert personalised(body, FLINK, 'A & B <AS> "C"', html=True) == (
        '<p title="A &amp; B &lt;AS&gt; &quot;C&quot;">A &amp; B &lt;AS&gt; &quot;C&quot; & 319900241</p>'
    )


@given(st.text(), st.text())
def test_a_text_without_keywords_is_sent_as_it_stands(text: str, name: str) -> None:
    assert (personalised(text, KARI, name) is None) or has_keywords(text)


@given(st.text(), st.sampled_from(["$recipientName$", "$recipientNumber$"]), st.text(), st.text())
def test_nothing_blank_is_ever_sent(before: str, keyword: str, after: str, name: str) -> None:
    result = personalised(before + keyword + after, KARI, name)
    assert result is None or result.strip()
