"""Domains that a creator may send email from, at every endpoint that takes a sender."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.settings import EmailSettings
from support.composed import COMPOSED, SCOPE, a_composed_request
from support.first_generation import ORDERS as FIRST_GENERATION
from support.first_generation import a_channel_request
from support.instant import EMAIL, an_instant_email
from support.requests import a_reminder, an_order_request, email_settings, to_email, to_person
from support.service import ORDERS, keys_of, running_service
from support.tokens import CREATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from altinn_notifications.clock import FixedClock
    from support.service import Service


@pytest.fixture
async def bound(database_url: str, clock: FixedClock) -> AsyncIterator[Service]:
    """The service where `ttd` may send from ttd.no and ttd-test.no only."""
    email = EmailSettings.model_validate({"sender_domains": {"ttd": ["TTD.no", "ttd-test.no"]}})
    async with running_service(database_url, clock, email=email) as running:
        yield running


def requests_from(sender: str) -> list[tuple[str, dict[str, Any], str]]:
    """Every kind of request that names a sender: where it goes, what it says, and the key of the sender."""
    named = {"senderEmailAddress": sender}
    person = to_person(channelSchema="Email", emailSettings=email_settings(**named))
    template = {"subject": "Hei", "body": "Du", "fromAddress": sender}
    return [
        (ORDERS, an_order_request(to_email(**named)), "Recipient.RecipientEmail.Settings.SenderEmailAddress"),
        (ORDERS, an_order_request(person), "Recipient.RecipientPerson.EmailSettings.SenderEmailAddress"),
        (
            ORDERS,
            an_order_request(reminders=[a_reminder(to_email(**named))]),
            "Reminders[0].Recipient.RecipientEmail.Settings.SenderEmailAddress",
        ),
        (EMAIL, an_instant_email(**named), "InstantEmailDetails.EmailSettings.SenderEmailAddress"),
        (COMPOSED, a_composed_request(settings=named), "Recipient.Settings.SenderEmailAddress"),
        (FIRST_GENERATION, a_channel_request("Email", emailTemplate=template), "EmailTemplate.FromAddress"),
    ]


def caller_of(service: Service, creator: str) -> dict[str, str]:
    """Headers of a caller with every scope that these endpoints ask for."""
    return service.authorization(creator, scope=f"{CREATE} {SCOPE}")


@pytest.mark.parametrize(("path", "request_body", "key"), requests_from("post@example.no"))
async def test_a_sender_of_another_domain_is_refused(
    bound: Service, path: str, request_body: dict[str, Any], key: str
) -> None:
    response = await bound.post(path, request_body, headers=caller_of(bound, "ttd"))
    assert keys_of(response) == {key}


@pytest.mark.parametrize("sender", ["post@ttd.no", " Post@TTD.NO ", "post@ttd-test.no", None])
async def test_a_sender_of_an_own_domain_is_taken_and_so_is_the_services(bound: Service, sender: str | None) -> None:
    assert (await bound.order(an_order_request(to_email(senderEmailAddress=sender)))).status_code == 201


@pytest.mark.parametrize("sender", ["post@sub.ttd.no", "post@notttd.no", "ttd.no@example.no"])
async def test_only_the_domain_itself_is_the_creators(bound: Service, sender: str) -> None:
    response = await bound.order(an_order_request(to_email(senderEmailAddress=sender)))
    assert keys_of(response) == {"Recipient.RecipientEmail.Settings.SenderEmailAddress"}


async def test_a_creator_that_is_not_named_may_send_from_any_domain(bound: Service) -> None:
    order = an_order_request(to_email(senderEmailAddress="post@example.no"))
    assert (await bound.order(order, headers=bound.authorization("skd"))).status_code == 201


async def test_a_blank_sender_of_a_first_generation_order_is_the_services(bound: Service) -> None:
    template = {"subject": "Hei", "body": "Du", "fromAddress": " "}
    response = await bound.post(FIRST_GENERATION, a_channel_request("Email", emailTemplate=template))
    assert response.status_code == 202
