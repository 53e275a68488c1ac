from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.platform.authorization import Grant, PartyUser, decision_request
from altinn_notifications.platform.dependencies import DependencyFailed
from support.platform_peer import DECISION, Reply, connected

if TYPE_CHECKING:
    from altinn_notifications.platform.clients import Platform
    from support.platform_peer import PlatformPeer

READ_DEMO = Grant("demo-resource", "read")
ANNA = PartyUser(51001, 20001)
STRING = "http://www.w3.org/2001/XMLSchema#string"


@pytest.mark.parametrize(
    ("resource_id", "action", "grant"),
    [
        (None, None, None),
        ("", "read", None),
        ("  ", "read", None),
        ("urn:altinn:resource:demo", None, Grant("demo", "read")),
        (" urn:altinn:resource:demo ", "", Grant("demo", "read")),
        ("urn:altinn:resource:demo", "  ", Grant("demo", "read")),
        ("urn:altinn:resource:demo", " write ", Grant("demo", "write")),
        ("URN:altinn:resource:demo", "sign", Grant("URN:altinn:resource:demo", "sign")),
        ("demo", None, Grant("demo", "read")),
    ],
)
def test_a_grant_is_read_unless_the_order_says_otherwise(
    resource_id: str | None, action: str | None, grant: Grant | None
) -> None:
    assert Grant.of(resource_id, action) == grant


def test_the_question_lists_each_category_once_and_refers_to_them() -> None:
    users = [PartyUser(51001, 20001), PartyUser(51001, 20002), PartyUser(51002, 20001)]
    request = decision_request(users, READ_DEMO)["request"]
    assert request["returnPolicyIdList"] is request["combinedDecision"] is False
    assert request["accessSubject"] == [_subject(20001), _subject(20002)]
    assert request["action"] == [
        {
            "id": "action",
            "attribute": [
                {
                    "attributeId": "urn:oasis:names:tc:xacml:1.0:action:action-id",
                    "value": "read",
                    "issuer": "Altinn",
                    "dataType": "string",
                    "includeInResult": False,
                }
            ],
        }
    ]
    assert [resource["id"] for resource in request["resource"]] == ["resource51001", "resource51002"]
    assert request["resource"][0]["attribute"] == [
        _attribute("urn:altinn:resource", "demo-resource"),
        {**_attribute("urn:altinn:partyid", "51001"), "includeInResult": True},
    ]
    assert request["multiRequests"]["requestReference"] == [
        {"referenceId": ["subject20001", "action", "resource51001"]},
        {"referenceId": ["subject20002", "action", "resource51001"]},
        {"referenceId": ["subject20001", "action", "resource51002"]},
    ]


@pytest.mark.parametrize(
    ("resource", "attributes"),
    [
        ("app_ttd_apps-test", {"urn:altinn:org": "ttd", "urn:altinn:app": "apps-test"}),
        ("app_ttd_apps-test_more", {"urn:altinn:org": "ttd", "urn:altinn:app": "apps-test"}),
        ("app_ttd", {"urn:altinn:resource": "app_ttd"}),
        ("application", {"urn:altinn:resource": "application"}),
    ],
)
def test_an_app_is_told_by_its_two_parts(resource: str, attributes: dict[str, str]) -> None:
    request = decision_request([ANNA], Grant(resource, "read"))["request"]
    told = {one["attributeId"]: one["value"] for one in request["resource"][0]["attribute"]}
    assert told == {**attributes, "urn:altinn:partyid": "51001"}


async def test_only_those_who_are_permitted_are_kept(platform: Platform, peer: PlatformPeer) -> None:
    other = PartyUser(51002, 20001)
    peer.permits = {ANNA}
    assert await platform.authorization.permitted([ANNA, other, ANNA], READ_DEMO) == {ANNA}
    assert len(peer.calls[0].json["request"]["multiRequests"]["requestReference"]) == 2


async def test_nobody_makes_no_call(platform: Platform, peer: PlatformPeer) -> None:
    assert await platform.authorization.permitted([], READ_DEMO) == frozenset()
    assert peer.calls == []


@pytest.mark.parametrize(("count", "batches"), [(1, [1]), (500, [500]), (501, [1, 500]), (1001, [1, 500, 500])])
async def test_more_than_five_hundred_pairs_are_asked_for_in_several_calls(
    platform: Platform, peer: PlatformPeer, count: int, batches: list[int]
) -> None:
    users = [PartyUser(51010, 30000 + number) for number in range(count)]
    peer.permits = {(user.party_id, user.user_id) for user in users}
    assert await platform.authorization.permitted(users, READ_DEMO) == set(users)
    requests = [call.json["request"] for call in peer.calls]
    assert sorted(len(request["multiRequests"]["requestReference"]) for request in requests) == batches
    subjects = [subject["id"] for subject in chain.from_iterable(request["accessSubject"] for request in requests)]
    assert len(subjects) == len(set(subjects)) == count


async def test_one_failing_call_fails_the_whole_question(peer: PlatformPeer) -> None:
    users = [PartyUser(51010, number) for number in range(3)]
    peer.answer_next(DECISION, Reply(status=500))
    async with connected(peer, authorization_batch_size=2) as platform:
        with pytest.raises(DependencyFailed):
            await platform.authorization.permitted(users, READ_DEMO)
    assert len(peer.calls) == 2


@pytest.mark.parametrize(
    "reply",
    [Reply(status=500), Reply(status=503), Reply({}, status=201), Reply({}), Reply({"response": None}), Reply()],
)
async def test_no_decision_is_a_failure_and_never_a_permit(
    platform: Platform, peer: PlatformPeer, reply: Reply
) -> None:
    peer.answer_next(DECISION, *[reply] * 3)
    with pytest.raises(DependencyFailed):
        await platform.authorization.permitted([ANNA], READ_DEMO)


@pytest.mark.parametrize(
    "decision",
    [
        {"decision": "Indeterminate"},
        {"decision": "Permit"},
        {"decision": "Permit", "category": None},
        {"decision": "permit", "category": "as asked"},
        {"decision": "Deny", "category": "as asked"},
        {"decision": "NotApplicable", "category": "as asked"},
        {"decision": "Permit", "category": "another party"},
        {"decision": "Permit", "category": "nonsense"},
    ],
)
async def test_anything_but_a_permit_of_what_was_asked_is_none(
    platform: Platform, peer: PlatformPeer, decision: dict[str, Any]
) -> None:
    categories = {
        "as asked": _categories("51001", "20001"),
        "another party": _categories("51002", "20001"),
        "nonsense": _categories("x", "20001"),
    }
    category = categories.get(str(decision.get("category")), decision.get("category"))
    peer.answer_next(DECISION, Reply({"response": [{**decision, "category": category}]}))
    assert await platform.authorization.permitted([ANNA], READ_DEMO) == frozenset()


async def test_the_answer_is_read_in_any_letter_case_and_obligations_are_ignored(
    platform: Platform, peer: PlatformPeer
) -> None:
    decision = {"Decision": "Permit", "Obligations": [{"Id": "level"}], "Category": _categories("51001", "20001")}
    peer.answer_next(DECISION, Reply({"Response": [decision]}))
    assert await platform.authorization.permitted([ANNA], READ_DEMO) == {ANNA}


async def test_the_subscription_key_is_sent_when_there_is_one(peer: PlatformPeer) -> None:
    for key in ("", "secret"):
        async with connected(peer, authorization_subscription_key=key) as platform:
            await platform.authorization.permitted([ANNA], READ_DEMO)
    without, with_key = (call.headers for call in peer.calls)
    assert "ocp-apim-subscription-key" not in without
    assert with_key["ocp-apim-subscription-key"] == "secret"
    assert with_key["accept"] == "application/json"


def _attribute(name: str, value: str) -> dict[str, Any]:
    return {"attributeId": name, "value": value, "issuer": "Altinn", "dataType": STRING, "includeInResult": False}


def _subject(user_id: int) -> dict[str, Any]:
    attribute = {**_attribute("urn:altinn:userid", str(user_id)), "includeInResult": True}
    return {"id": f"subject{user_id}", "attribute": [attribute]}


def _categories(party: str, user: str) -> list[dict[str, Any]]:
    return [
        {
            "categoryId": "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject",
            "attribute": [{"attributeId": "urn:altinn:userid", "value": user}],
        },
        {
            "categoryId": "urn:oasis:names:tc:xacml:3.0:attribute-category:resource",
            "attribute": [{"attributeId": "urn:altinn:partyid", "value": party}],
        },
    ]
