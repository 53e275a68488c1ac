from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.platform_peer import EXTERNAL, ORGANIZATIONS, PERSONS, USERS, Reply

if TYPE_CHECKING:
    from altinn_notifications.platform.clients import Platform
    from support.platform_peer import PlatformPeer

KARI = "12838530255"
OLA = "05917921107"
FLINK = "319900241"


async def test_persons_are_asked_for_by_number_with_the_stale_flag(platform: Platform, peer: PlatformPeer) -> None:
    peer.persons = [{"userId": 0, "nationalIdentityNumber": KARI, "isReserved": True, "email": "k@e.no"}]
    found = await platform.profile.persons([KARI, OLA, KARI], use_stale=True)
    (call,) = peer.calls
    assert (call.method, call.path) == ("POST", PERSONS)
    assert call.json == {"nationalIdentityNumbers": [KARI, OLA], "useStaleContactInfo": True}
    assert set(found.records) == {KARI}
    assert found.records[KARI].is_reserved
    assert found.records[KARI].mobile_number is None


async def test_profile_is_called_without_a_credential(platform: Platform, peer: PlatformPeer) -> None:
    await platform.profile.persons([KARI], use_stale=False)
    assert not {"authorization", "platformaccesstoken"} & peer.calls[0].headers.keys()


async def test_nobody_is_asked_about_nobody(platform: Platform, peer: PlatformPeer) -> None:
    await platform.profile.persons([], use_stale=False)
    await platform.profile.organizations([])
    await platform.profile.organization_users([], "demo")
    await platform.profile.external_identities([])
    assert peer.calls == []


async def test_an_entry_without_a_key_matches_nobody_and_the_first_of_two_counts(
    platform: Platform, peer: PlatformPeer
) -> None:
    entries = [
        {"nationalIdentityNumber": None, "email": "nobody@e.no"},
        {"nationalIdentityNumber": KARI, "email": "first@e.no"},
        {"nationalIdentityNumber": KARI, "email": "second@e.no"},
    ]
    peer.answer_next(PERSONS, Reply({"contactPointsList": entries}))
    found = await platform.profile.persons([KARI], use_stale=False)
    assert {key: person.email for key, person in found.records.items()} == {KARI: "first@e.no"}


async def test_external_identities_are_asked_for_as_spelled_and_matched_in_any_letter_case(
    platform: Platform, peer: PlatformPeer
) -> None:
    urn = "urn:altinn:party:username:Kari"
    peer.answer_next(EXTERNAL, Reply({"contactPointsList": [{"externalIdentity": urn.upper(), "email": "k@e.no"}]}))
    found = await platform.profile.external_identities([urn])
    assert peer.calls[0].json == {"externalIdentities": [urn]}
    assert found.records[urn.lower()].email == "k@e.no"
    assert found.records[urn.lower()].mobile_number is None


async def test_official_addresses_come_as_lists(platform: Platform, peer: PlatformPeer) -> None:
    peer.organizations = [{"organizationNumber": FLINK, "addressOrigin": "319902066", "emailList": ["p@f.no"]}]
    found = await platform.profile.organizations([FLINK])
    assert peer.calls_to(ORGANIZATIONS)[0].json == {"organizationNumbers": [FLINK]}
    assert found.records[FLINK].email_list == ["p@f.no"]
    assert found.records[FLINK].mobile_number_list is None


async def test_users_are_asked_for_by_organisation_and_resource(platform: Platform, peer: PlatformPeer) -> None:
    users = [{"userId": 20001, "email": "a@f.no", "mobileNumber": None}]
    peer.users = [{"organizationNumber": FLINK, "partyId": 51001, "userContactPoints": users}]
    found = await platform.profile.organization_users([FLINK], "app_ttd_demo")
    assert peer.calls_to(USERS)[0].json == {"organizationNumbers": [FLINK], "resourceId": "app_ttd_demo"}
    registered = [(user.user_id, user.email) for user in found.records[FLINK].user_contact_points or ()]
    assert (found.records[FLINK].party_id, registered) == (51001, [(20001, "a@f.no")])


async def test_a_thousand_persons_go_in_one_call_and_one_more_makes_two(platform: Platform, peer: PlatformPeer) -> None:
    numbers = [f"{number:011}" for number in range(1001)]
    await platform.profile.persons(numbers[:1000], use_stale=False)
    assert len(peer.calls) == 1
    await platform.profile.persons(numbers, use_stale=False)
    assert sorted(len(call.json["nationalIdentityNumbers"]) for call in peer.calls[1:]) == [1, 1000]


@pytest.mark.parametrize("status", [400, 500])
async def test_one_number_that_breaks_profile_is_singled_out(
    platform: Platform, peer: PlatformPeer, status: int
) -> None:
    numbers = [f"{number:011}" for number in range(100)]
    bad = numbers[41]
    peer.persons = [{"nationalIdentityNumber": number, "email": "a@e.no"} for number in numbers]
    answer = peer._answers[PERSONS]

    peer._answers[PERSONS] = lambda call: (
        Reply(status=status) if bad in call.json["nationalIdentityNumbers"] else answer(call)
    )
    found = await platform.profile.persons(numbers, use_stale=False)
    assert set(found.failures) == {bad}
    assert set(found.records) == set(numbers) - {bad}


async def test_when_profile_is_down_nobody_is_singled_out(platform: Platform, peer: PlatformPeer) -> None:
    numbers = [f"{number:011}" for number in range(100)]
    peer.answer_next(PERSONS, *[Reply(status=503)] * 3)
    found = await platform.profile.persons(numbers, use_stale=False)
    assert set(found.failures) == set(numbers)
    assert len(peer.calls) == 3


async def test_a_profile_that_fails_every_question_is_soon_left_alone(platform: Platform, peer: PlatformPeer) -> None:
    numbers = [f"{number:011}" for number in range(100)]
    peer.answer_next(PERSONS, *[Reply(status=500)] * 100)
    found = await platform.profile.persons(numbers, use_stale=False)
    assert set(found.failures) == set(numbers)
    assert len(peer.calls) == 5


async def test_a_profile_that_refuses_every_question_is_not_asked_without_end(
    platform: Platform, peer: PlatformPeer
) -> None:
    numbers = [f"{number:011}" for number in range(1000)]
    peer.answer_next(PERSONS, *[Reply(status=400)] * 2000)
    found = await platform.profile.persons(numbers, use_stale=False)
    assert set(found.failures) == set(numbers)
    assert len(peer.calls) == 129  # the whole, and the halves of 64 splits
