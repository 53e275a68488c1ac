"""Profile, Register, Authorization and Dialogporten by their own endpoints (spec 12, 2 to 4 and spec 13, 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from altinn_notifications.simulator import seed
from altinn_notifications.simulator.keys import SigningKeys

if TYPE_CHECKING:
    from support.simulator import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERSONS = "/profile/api/v1/users/contactpoint/lookup"
EXTERNAL = "/profile/api/v1/users/contactpoint/lookupsi"
OFFICIAL = "/profile/api/v1/organizations/notificationaddresses/lookup"
UNITS = "/profile/api/v1/units/contactpoint/lookup"
NAMES = "/register/api/v1/parties/nameslookup"
DECISION = "/authorization/api/v1/decision"
DIALOG = "/dialogporten/api/v1/enduser/dialoglookup"
P01, P05, P07, P08 = "12838530255", "30897333275", "14925926230", "27828844178"


async def ask(simulator: Running, path: str, **question: Any) -> list[dict[str, Any]]:
    answer = await simulator.http.post(path, json=question)
    assert answer.status_code == 200, answer.text
    points: list[dict[str, Any]] = answer.json()["contactPointsList"]
    return points


async def test_profile_tells_of_a_person_in_its_own_words(simulator: Running) -> None:
    assert await ask(simulator, PERSONS, nationalIdentityNumbers=[P01], useStaleContactInfo=False) == [
        {
            "userId": 0,
            "nationalIdentityNumber": P01,
            "isReserved": False,
            "mobileNumber": "+4799999001",
            "mobileNumberIsOutdated": False,
            "email": "begge@epost.example",
            "emailIsOutdated": False,
        }
    ]


async def test_without_stale_data_only_those_with_a_fresh_address_are_told_of(simulator: Running) -> None:
    everybody = [P05, P07, P08, "08849615360", seed.NOBODY]
    (half,) = await ask(simulator, PERSONS, nationalIdentityNumbers=everybody)
    assert (half["nationalIdentityNumber"], half["email"], half["emailIsOutdated"]) == (P08, None, True)
    all_known = await ask(simulator, PERSONS, nationalIdentityNumbers=everybody, useStaleContactInfo=True)
    assert [point["nationalIdentityNumber"] for point in all_known] == everybody[:-1]
    assert all_known[0]["isReserved"]
    assert all_known[1]["email"] == "gammel@epost.example"


async def test_a_person_asked_for_twice_is_told_of_once_and_nobody_is_no_error(simulator: Running) -> None:
    assert len(await ask(simulator, PERSONS, nationalIdentityNumbers=[P01, P01])) == 1
    assert await ask(simulator, PERSONS, nationalIdentityNumbers=[]) == []


@pytest.mark.parametrize(
    ("updated", "verified", "told"),
    [
        ("2024-09-02T12:00:00Z", None, 1),  # 18 months before the noon of these tests, to the second
        ("2024-09-02T11:59:59Z", None, 0),
        ("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 1),
        ("2026-01-01T00:00:00Z", "2020-01-01T00:00:00Z", 1),
        (None, "2026-01-01T00:00:00Z", 1),
        (None, None, 0),
    ],
)
async def test_the_later_of_the_two_dates_counts_for_18_calendar_months(
    simulator: Running, updated: str | None, verified: str | None, told: int
) -> None:
    dates = {"emailLastUpdated": updated, "emailLastVerified": verified}
    await simulator.http.put("/sim/persons/05917921107", json=dates)
    assert len(await ask(simulator, PERSONS, nationalIdentityNumbers=["05917921107"])) == told


async def test_external_identities_are_echoed_as_asked(simulator: Running) -> None:
    urns = ["urn:altinn:PARTY:username:Kari", "urn:altinn:person:idporten-email:Ny%40x.example", "urn:other:kari"]
    assert await ask(simulator, EXTERNAL, externalIdentities=urns) == [
        {"mobileNumber": None, "email": "kari@epost.example", "externalIdentity": urns[0]},
        {"mobileNumber": None, "email": "Ny@x.example", "externalIdentity": urns[1]},
    ]
    assert await ask(simulator, EXTERNAL, externalIdentities=["urn:altinn:person:idporten-email:", "x"]) == []


async def test_a_sub_unit_without_record_gets_its_main_units_addresses(simulator: Running) -> None:
    (point,) = await ask(simulator, OFFICIAL, organizationNumbers=["319900764"])
    assert (point["organizationNumber"], point["addressOrigin"], point["partyId"]) == ("319900764", "319900241", 0)
    assert point["emailList"] == ["post@flink.example", "regnskap@flink.example"]
    assert point["mobileNumberList"] == ["+4799999101", "+4799999102"]


async def test_a_record_without_valid_addresses_is_told_of_with_empty_lists(simulator: Running) -> None:
    await simulator.http.put("/sim/organizations/319901159", json={"mainUnit": "319900241"})
    (point,) = await ask(simulator, OFFICIAL, organizationNumbers=["319901159", "319900632", "319902066"])
    assert (point["addressOrigin"], point["emailList"], point["mobileNumberList"]) == ("319901159", [], [])


async def test_users_are_told_of_for_the_services_they_chose(simulator: Running) -> None:
    (unit,) = await ask(simulator, UNITS, organizationNumbers=[seed.SHARED, "319900241"], resourceId=seed.DEMO)
    assert unit["partyId"] == 51006
    assert [user["userId"] for user in unit["userContactPoints"]] == [20001, 20002, 20004]
    assert unit["userContactPoints"][1] == {"userId": 20002, "email": "bjarne@delt.example", "mobileNumber": None}
    prefixed = f"urn:altinn:resource:{seed.OTHER}"
    (unit,) = await ask(simulator, UNITS, organizationNumbers=[seed.SHARED], resourceId=prefixed)
    assert [user["userId"] for user in unit["userContactPoints"]] == [20001, 20002, 20003, 20004]


async def test_an_entry_without_addresses_is_not_told_of(simulator: Running) -> None:
    await simulator.http.put("/sim/users/20003", json={"contactPoints": [{"organizationNumber": "319900241"}]})
    assert await ask(simulator, UNITS, organizationNumbers=["319900241"], resourceId=seed.DEMO) == []


@pytest.mark.parametrize(
    ("path", "question"),
    [
        (PERSONS, {}),
        (PERSONS, {"nationalIdentityNumbers": None}),
        (EXTERNAL, {}),
        (OFFICIAL, {"organizationNumbers": []}),
        (OFFICIAL, {"organizationNumbers": [" "]}),
        (UNITS, {"organizationNumbers": ["319900241"]}),
        (UNITS, {"organizationNumbers": [], "resourceId": "x"}),
        (DECISION, {}),
    ],
)
async def test_a_question_that_cannot_be_answered_is_a_400_that_is_seen_in_the_calls(
    simulator: Running, path: str, question: dict[str, Any]
) -> None:
    assert (await simulator.http.post(path, json=question)).status_code == 400
    assert (await simulator.http.get("/sim/calls")).json()["calls"][0]["status"] == 400


async def platform_token(simulator: Running, issuer: str = "platform") -> dict[str, str]:
    answer = await simulator.http.get(f"/api/GetPlatformAccessToken?org={issuer}&app=notifications")
    return {"PlatformAccessToken": answer.text}


async def names(simulator: Running, *parties: dict[str, str], query: str = "", **headers: str) -> Any:
    headers = headers or await platform_token(simulator)
    return await simulator.http.post(NAMES + query, json={"parties": parties}, headers=headers)


async def test_register_names_each_party_that_is_asked_for(simulator: Running) -> None:
    parties = [{"orgNo": "319900241"}, {"ssn": P01}, {"ssn": P01}, {"ssn": seed.NOBODY}, {"ssn": "10848127138"}]
    assert (await names(simulator, *parties)).json()["partyNames"] == [
        {"ssn": None, "orgNo": "319900241", "name": "FLINK TRESKO AS"},
        {"ssn": P01, "orgNo": None, "name": "RASK BADEHETTE"},
        {"ssn": P01, "orgNo": None, "name": "RASK BADEHETTE"},
        {"ssn": seed.NOBODY, "orgNo": None, "name": None},
        {"ssn": "10848127138", "orgNo": None, "name": "Anna"},
    ]
    assert (await names(simulator)).json() == {"partyNames": []}


async def test_register_takes_a_name_apart_when_asked_to(simulator: Running) -> None:
    answer = await names(simulator, {"ssn": P01}, query="?partyComponentOption=person-name")
    assert answer.json()["partyNames"][0]["personName"] == {
        "firstName": "RASK",
        "middleName": None,
        "lastName": "BADEHETTE",
    }
    assert (await names(simulator, {"ssn": P01}, query="?partyComponentOption=Person-Name")).status_code == 400


@pytest.mark.parametrize(
    "party",
    [{"ssn": "12838530256"}, {"orgNo": "319900242"}, {"orgNo": "319900241", "ssn": P01}, {}, {"ssn": "x"}],
)
async def test_one_wrong_party_refuses_the_whole_call(simulator: Running, party: dict[str, str]) -> None:
    assert (await names(simulator, {"ssn": P01}, party)).status_code == 400


async def test_register_names_a_thousand_and_not_one_more(simulator: Running) -> None:
    thousand = [{"ssn": P01}] * 1000
    assert len((await names(simulator, *thousand)).json()["partyNames"]) == 1000
    assert (await names(simulator, *thousand, {"ssn": P01})).status_code == 400


async def test_register_wants_a_token_of_the_platform_or_its_own_scope(simulator: Running) -> None:
    unsigned = {"PlatformAccessToken": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJwbGF0Zm9ybSJ9.AA"}
    for headers in ({"X-Other": "x"}, unsigned, await platform_token(simulator, "ttd")):
        assert (await names(simulator, {"ssn": P01}, **headers)).status_code == 401
    for scope, status in (
        ("altinn:serviceowner/notifications.create", 403),
        ("altinn:register/partylookup.admin", 200),
    ):
        token = (await simulator.http.get(f"/api/GetEnterpriseToken?scopes={scope}")).text
        assert (await names(simulator, {"ssn": P01}, Authorization=f"Bearer {token}")).status_code == status


def category(name: str, *attributes: tuple[str, str, bool]) -> dict[str, Any]:
    told = [{"attributeId": key, "value": value, "includeInResult": include} for key, value, include in attributes]
    return {"id": name, "attribute": told}


def decision_about(*pairs: tuple[int, int], resource: str = seed.DEMO, action: str = "read") -> dict[str, Any]:
    """The question whether each user may act for each party."""
    named = (
        [("urn:altinn:org", "ttd", False), ("urn:altinn:app", "demo-app", False)]
        if resource == seed.APP
        else [("urn:altinn:resource", resource, False)]
    )
    users, parties = {user for user, _ in pairs}, {party for _, party in pairs}
    action_id = "urn:oasis:names:tc:xacml:1.0:action:action-id"
    return {
        "request": {
            "accessSubject": [category(f"s{user}", ("urn:altinn:userid", str(user), True)) for user in sorted(users)],
            "action": [category("action", (action_id, action, False))],
            "resource": [
                category(f"r{party}", *named, ("urn:altinn:partyid", str(party), True)) for party in sorted(parties)
            ],
            "multiRequests": {
                "requestReference": [{"referenceId": [f"s{user}", "action", f"r{party}"]} for user, party in pairs]
            },
        }
    }


async def decisions(simulator: Running, question: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await simulator.http.post(DECISION, json=question)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["response"]
    return results


async def words(simulator: Running, question: dict[str, Any]) -> list[str]:
    return [result["decision"] for result in await decisions(simulator, question)]


async def test_each_reference_gets_a_decision_that_names_user_and_party(simulator: Running) -> None:
    permit, other = await decisions(simulator, decision_about((20001, 51006), (20002, 51006)))
    assert (permit["decision"], other["decision"]) == ("Permit", "NotApplicable")
    told = {
        attribute["attributeId"]: attribute["value"] for one in permit["category"] for attribute in one["attribute"]
    }
    assert told == {"urn:altinn:userid": "20001", "urn:altinn:partyid": "51006"}
    assert permit["obligations"][0]["attributeAssignment"][0]["value"] == "2"


@pytest.mark.parametrize(
    ("user", "party", "wish", "decision"),
    [
        (20002, 51007, (seed.DEMO, "read"), "Permit"),
        (20001, 51006, (seed.DEMO, "sign"), "Permit"),
        (20004, 51006, (seed.DEMO, "sign"), "NotApplicable"),
        (20003, 51006, (seed.OTHER, "read"), "Permit"),
        (20001, 51006, (seed.OTHER, "read"), "NotApplicable"),
        (20002, 51006, (seed.APP, "read"), "Permit"),
        (20003, 51006, (seed.APP, "read"), "NotApplicable"),
        (30002, 51010, (seed.DEMO, "read"), "Permit"),
        (30003, 51010, (seed.DEMO, "read"), "NotApplicable"),
        (20001, 99999, (seed.DEMO, "read"), "NotApplicable"),
    ],
)
async def test_the_grants_of_the_seed_decide(
    simulator: Running, user: int, party: int, wish: tuple[str, str], decision: str
) -> None:
    resource, action = wish
    assert await words(simulator, decision_about((user, party), resource=resource, action=action)) == [decision]


async def test_an_unknown_resource_gets_a_single_answer_that_decides_nothing(simulator: Running) -> None:
    question = decision_about((20001, 51006), (20002, 51006), resource="unknown")
    (result,) = await decisions(simulator, question)
    assert result["decision"] == "Indeterminate"
    assert "category" not in result


async def test_with_a_single_reference_all_categories_are_looked_at_together(simulator: Running) -> None:
    question = decision_about((20001, 51006), (20001, 51007))
    del question["request"]["multiRequests"]["requestReference"][1]
    assert await words(simulator, question) == ["Indeterminate"]


@pytest.mark.parametrize("broken", ["accessSubject", "action", "resource"])
async def test_a_request_that_lacks_a_part_is_not_decided(simulator: Running, broken: str) -> None:
    question = decision_about((20001, 51006), (20002, 51006))
    question["request"][broken] = []
    assert await words(simulator, question) == ["Indeterminate"]


async def test_a_right_that_is_given_permits_and_one_that_is_taken_away_does_not(simulator: Running) -> None:
    grant = {"userId": 20002, "organizationNumber": seed.SHARED, "resource": "new-service"}
    question = decision_about((20002, 51006), resource="new-service")
    assert await words(simulator, question) == ["Indeterminate"]
    answer = await simulator.http.put("/sim/grants", json={"grants": [grant]})
    assert {**grant, "action": "read"} in answer.json()["grants"]
    assert await words(simulator, question) == ["Permit"]
    await simulator.http.put("/sim/grants", json={"grants": [{**grant, "isGranted": False}]})
    assert await words(simulator, question) == ["NotApplicable"]


async def test_a_dialog_is_open_to_the_person_it_is_granted_to(simulator: Running) -> None:
    dialog, person = str(uuid4()), "10848127138"
    token = (await simulator.http.get(f"/api/GetPersonalToken?pid={person}")).text

    async def status(instance: str = f"urn:altinn:dialog-id:{dialog}", token: str = token) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await simulator.http.get(DIALOG, params={"instanceRef": instance}, headers=headers)
        return answer.status_code

    assert await status() == 404
    await simulator.http.put("/sim/grants", json={"dialogs": [{"person": person, "dialogId": dialog}]})
    assert (await simulator.http.get("/sim/grants")).json()["dialogs"] == [{"person": person, "dialogId": dialog}]
    assert await status() == 200
    assert await status(f"urn:altinn:dialog-id:{dialog.upper()}") == 200
    assert await status(dialog) == 404
    assert await status(token="x") == 401
    other = (await simulator.http.get(f"/api/GetPersonalToken?pid={P01}")).text
    assert await status(token=other) == 404
    gone = {"person": person, "dialogId": dialog, "isGranted": False}
    await simulator.http.put("/sim/grants", json={"dialogs": [gone]})
    assert await status() == 404


async def test_a_token_signed_by_somebody_else_opens_nothing(simulator: Running) -> None:
    at = simulator.clock.now()
    stranger = SigningKeys(at).access_token("platform")
    token = stranger.sign({"iss": "platform", "exp": int(at.timestamp()) + 300})
    assert (await names(simulator, {"ssn": P01}, PlatformAccessToken=token)).status_code == 401
