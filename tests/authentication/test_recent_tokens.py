"""The memory of verified tokens: bounded, short, and never of the tokens themselves."""

from __future__ import annotations

from altinn_notifications.authentication.tokens import RecentTokens, SignedToken

TOKEN = SignedToken({}, not_before=0, expires=1)


def test_the_token_that_was_asked_for_longest_ago_makes_room() -> None:
    recent = RecentTokens[str](capacity=2)
    recent.remember("a", TOKEN, "A", now=0)
    recent.remember("b", TOKEN, "B", now=0)
    assert recent.find("a", now=1) == (TOKEN, "A")
    recent.remember("c", TOKEN, "C", now=2)
    assert recent.find("b", now=2) is None
    assert recent.find("a", now=2) == (TOKEN, "A")


def test_a_token_is_remembered_for_less_than_a_minute() -> None:
    recent = RecentTokens[str]()
    recent.remember("a", TOKEN, "A", now=100)
    assert recent.find("a", now=159.9) is not None
    assert recent.find("a", now=160) is None
    assert recent.find("a", now=99) is None


def test_the_token_itself_is_not_kept() -> None:
    recent = RecentTokens[str]()
    recent.remember("a.secret.token", TOKEN, "A", now=0)
    assert "secret" not in repr(vars(recent))
