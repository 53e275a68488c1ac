"""The tables of spec 09, 8.2, row by row."""

from __future__ import annotations

import pytest

from altinn_notifications.channels.email.smtp_replies import (
    LOST,
    TIMED_OUT,
    Phase,
    Reply,
    Silence,
    goes_on,
    is_goodbye,
    outcome_of,
)
from altinn_notifications.channels.protocol import Accepted, Deferred, Outcome, Refused, Scope, Unknown
from altinn_notifications.lifecycle import EmailResult

MAIL, RCPT, DATA, CONTENT, SESSION = Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.SESSION
MAIL_RCPT_AND_AFTER = (MAIL, RCPT, DATA, CONTENT)
PROVIDER, MESSAGE = Scope.PROVIDER, Scope.MESSAGE
FAILED, BOUNCED, INVALID = EmailResult.FAILED, EmailResult.BOUNCED, EmailResult.INVALID_EMAIL_FORMAT
SPAM, TOO_LARGE = EmailResult.FILTERED_SPAM, EmailResult.PAYLOAD_TOO_LARGE


def outcome(phase: Phase, answer: str) -> Outcome:
    code, _, text = answer.partition(" ")
    return outcome_of(Reply(phase, int(code), text), reference="operation")


def result(phase: Phase, answer: str) -> str | Scope:
    """The result of a refusal, or the scope of a deferral."""
    found = outcome(phase, answer)
    assert isinstance(found, Refused | Deferred)
    return found.result if isinstance(found, Refused) else found.scope


@pytest.mark.parametrize("answer", ["250 2.0.0 Ok", "250 Ok", "251 2.1.5 Will forward", "252 fine"])
def test_a_positive_reply_to_the_final_dot_accepts_under_the_operation_id(answer: str) -> None:
    assert outcome(CONTENT, answer) == Accepted("operation")


@pytest.mark.parametrize("phase", [MAIL, RCPT])
@pytest.mark.parametrize("code", [250, 251, 252])
def test_a_positive_reply_before_the_content_lets_the_conversation_go_on(phase: Phase, code: int) -> None:
    assert goes_on(Reply(phase, code, "2.1.0 Ok"))


def test_only_354_lets_the_content_follow() -> None:
    assert goes_on(Reply(DATA, 354, "go ahead"))
    assert not goes_on(Reply(DATA, 250, "Ok"))
    assert outcome(DATA, "250 Ok") == Deferred(MESSAGE, "unreadable answer at DATA")


@pytest.mark.parametrize(
    ("answer", "misconfigured"),
    [
        ("421 4.3.2 shutting down", False),
        ("454 4.7.0 TLS not available", False),
        ("450 later", False),
        ("554 no SMTP service here", True),
        ("502 5.5.1 EHLO?", True),
        ("530 5.7.0 Must issue a STARTTLS command first", True),
        ("534 5.7.9 mechanism too weak", True),
        ("535 5.7.8 bad credentials", True),
        ("538 5.7.11 encryption required", True),
    ],
)
def test_before_the_mail_nothing_is_the_recipients_fault(answer: str, misconfigured: bool) -> None:  # noqa: FBT001 - one row of the table
    found = outcome(SESSION, answer)
    assert isinstance(found, Deferred)
    assert (found.scope, found.misconfigured) == (PROVIDER, misconfigured)


@pytest.mark.parametrize("phase", MAIL_RCPT_AND_AFTER)
@pytest.mark.parametrize("code", [530, 534, 535, 538])
def test_a_demand_for_authentication_speaks_of_us_whenever_it_comes(phase: Phase, code: int) -> None:
    found = outcome(phase, f"{code} 5.7.0 Authentication required")
    assert found == Deferred(PROVIDER, f"{phase.value} answered {code} 5.7.0", misconfigured=True)


@pytest.mark.parametrize("phase", [RCPT, DATA, CONTENT])
@pytest.mark.parametrize("enhanced", ["4.2.2", "4.7.1", "4.7.0", "4.3.1", "4.4.2", "4.1.1", "4.5.3"])
def test_a_temporary_code_at_rcpt_or_later_concerns_this_mail_only(phase: Phase, enhanced: str) -> None:
    assert result(phase, f"451 {enhanced} try later") is MESSAGE


@pytest.mark.parametrize("enhanced", ["4.3.0", "4.3.2", "4.4.1", "4.7.0"])
@pytest.mark.parametrize("code", [450, 458])
def test_a_temporary_code_of_the_system_at_mail_concerns_the_provider(code: int, enhanced: str) -> None:
    assert result(MAIL, f"{code} {enhanced} try later") is PROVIDER


@pytest.mark.parametrize("enhanced", ["4.1.7", "4.1.8", "4.7.1", "4.7.23"])
@pytest.mark.parametrize("code", [450, 451, 458])
def test_a_temporary_code_about_the_sender_at_mail_concerns_its_domain(code: int, enhanced: str) -> None:
    assert result(MAIL, f"{code} {enhanced} try later") is Scope.DOMAIN


ANY_PHASE = [
    ("5.1.0", BOUNCED),
    ("5.1.1", BOUNCED),
    ("5.1.2", BOUNCED),
    ("5.1.4", BOUNCED),
    ("5.1.6", BOUNCED),
    ("5.1.9", BOUNCED),
    ("5.1.10", BOUNCED),
    ("5.1.3", INVALID),
    ("5.1.7", FAILED),
    ("5.1.8", FAILED),
    ("5.1.5", FAILED),
    ("5.2.0", BOUNCED),
    ("5.2.1", BOUNCED),
    ("5.2.2", FAILED),
    ("5.2.4", FAILED),
    ("5.2.3", TOO_LARGE),
    ("5.3.4", TOO_LARGE),
    ("5.3.0", FAILED),
    ("5.3.2", FAILED),
    ("5.4.1", BOUNCED),
    ("5.4.4", BOUNCED),
    ("5.4.7", FAILED),
    ("5.5.1", FAILED),
    ("5.6.7", INVALID),
    ("5.6.0", FAILED),
    ("5.7.20", FAILED),
    ("5.7.26", FAILED),
    ("5.7.27", FAILED),
    ("5.0.0", FAILED),
    ("5.9.9", FAILED),
]


@pytest.mark.parametrize("phase", MAIL_RCPT_AND_AFTER)
@pytest.mark.parametrize(("enhanced", "expected"), ANY_PHASE)
def test_a_permanent_enhanced_code_decides_the_result(phase: Phase, enhanced: str, expected: EmailResult) -> None:
    assert result(phase, f"550 {enhanced} no, and the reputation has nothing to do with it") == expected


@pytest.mark.parametrize("enhanced", ["5.7.0", "5.7.1", "5.7.19", "5.7.28", "5.7.509"])
def test_a_policy_refusal_at_the_final_dot_is_spam(enhanced: str) -> None:
    assert result(CONTENT, f"554 {enhanced} message refused") == SPAM


@pytest.mark.parametrize("phase", [MAIL, RCPT, DATA])
@pytest.mark.parametrize("word", ["SPAM", "junk mail", "Block List", "blacklist", "poor Reputation", "unsolicited"])
def test_a_policy_refusal_before_the_content_is_spam_if_it_says_so(phase: Phase, word: str) -> None:
    assert result(phase, f"550 5.7.1 refused: {word}") == SPAM
    assert result(phase, "550 5.7.1 relaying denied") == FAILED


# Reply codes without an enhanced one: MAIL, RCPT, final dot.
BY_CODE: list[tuple[int, str | Scope, str | Scope, str | Scope]] = [
    (421, PROVIDER, PROVIDER, PROVIDER),
    (450, PROVIDER, MESSAGE, MESSAGE),
    (451, PROVIDER, MESSAGE, MESSAGE),
    (452, PROVIDER, MESSAGE, MESSAGE),
    (454, PROVIDER, PROVIDER, PROVIDER),
    (455, PROVIDER, PROVIDER, PROVIDER),
    (500, FAILED, FAILED, FAILED),
    (502, FAILED, FAILED, FAILED),
    (503, FAILED, FAILED, FAILED),
    (504, FAILED, FAILED, FAILED),
    (555, FAILED, FAILED, FAILED),
    (501, FAILED, INVALID, FAILED),
    (521, FAILED, BOUNCED, BOUNCED),
    (556, FAILED, BOUNCED, BOUNCED),
    (541, SPAM, SPAM, SPAM),
    (550, FAILED, BOUNCED, FAILED),
    (551, FAILED, BOUNCED, BOUNCED),
    (552, TOO_LARGE, FAILED, TOO_LARGE),
    (553, FAILED, INVALID, FAILED),
    (554, FAILED, FAILED, FAILED),
    (447, MESSAGE, MESSAGE, MESSAGE),
    (571, FAILED, FAILED, FAILED),
]


@pytest.mark.parametrize(("code", "at_mail", "at_rcpt", "at_content"), BY_CODE)
def test_without_an_enhanced_code_reply_code_and_phase_decide(
    code: int, at_mail: str | Scope, at_rcpt: str | Scope, at_content: str | Scope
) -> None:
    answer = f"{code} no"
    assert [result(phase, answer) for phase in MAIL_RCPT_AND_AFTER] == [at_mail, at_rcpt, at_content, at_content]


@pytest.mark.parametrize(
    ("phase", "code", "expected"),
    [
        (MAIL, 550, FAILED),
        (RCPT, 550, BOUNCED),
        (CONTENT, 550, SPAM),
        (MAIL, 554, FAILED),
        (RCPT, 554, SPAM),
        (CONTENT, 554, SPAM),
        (CONTENT, 571, FAILED),
    ],
)
def test_spam_words_count_only_where_the_table_says_so(phase: Phase, code: int, expected: EmailResult) -> None:
    assert result(phase, f"{code} this looks like spam") == expected


@pytest.mark.parametrize("answer", ["550 4.7.1 greylisted?", "550 2.1.5 Ok?"])
def test_an_enhanced_code_of_another_class_than_the_reply_is_not_believed(answer: str) -> None:
    assert result(RCPT, answer) == BOUNCED


@pytest.mark.parametrize("text", ["5.1.1.9 version", "5.1", "5.1.1000", "see 5.1.3"])
def test_what_only_looks_like_an_enhanced_code_is_text(text: str) -> None:
    assert result(RCPT, f"551 {text}") == BOUNCED


def test_a_reply_is_shown_without_its_text() -> None:
    found = outcome(RCPT, "550 5.1.1 <kari@example.com>: Recipient address rejected")
    assert found == Refused(BOUNCED, "RCPT answered 550 5.1.1")


@pytest.mark.parametrize("phase", [SESSION, MAIL])
def test_silence_before_the_recipient_is_named_concerns_the_provider(phase: Phase) -> None:
    assert outcome_of(Silence(phase, TIMED_OUT), reference="x") == Deferred(
        PROVIDER, f"no answer in time at {phase.value}"
    )


@pytest.mark.parametrize("phase", [RCPT, DATA])
def test_silence_before_the_content_concerns_this_mail_and_nothing_was_taken(phase: Phase) -> None:
    found = outcome_of(Silence(phase, LOST), reference="x")
    assert isinstance(found, Deferred)
    assert found.scope is MESSAGE


@pytest.mark.parametrize("reason", [LOST, TIMED_OUT])
def test_silence_after_the_final_dot_leaves_the_outcome_unknown(reason: str) -> None:
    assert outcome_of(Silence(CONTENT, reason), reference="x") == Unknown(f"{reason} at end of data")


@pytest.mark.parametrize("answer", ["354 still listening", "199 what"])
def test_an_answer_to_the_final_dot_that_means_nothing_leaves_the_outcome_unknown(answer: str) -> None:
    assert outcome(CONTENT, answer) == Unknown("unreadable answer at end of data")


def test_a_server_says_goodbye_with_421_or_by_hanging_up() -> None:
    assert is_goodbye(Reply(MAIL, 421, "4.4.2 idle"))
    assert is_goodbye(Silence(MAIL, LOST))
    assert not is_goodbye(Silence(MAIL, TIMED_OUT))
    assert not is_goodbye(Reply(MAIL, 451, "later"))
