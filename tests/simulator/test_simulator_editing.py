"""Looking at and editing persons, organisations and users, by program and by form (spec 13, 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.simulator import BROWSER

if TYPE_CHECKING:
    from support.simulator import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

P01, SHARED = "/sim/persons/12838530255", "/sim/organizations/319900896"


async def shown(simulator: Running, path: str) -> dict[str, Any]:
    answer = await simulator.http.get(path)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


async def saved(simulator: Running, path: str, **form: str) -> None:
    """Send a page's form and follow where it leads, as a browser without scripts does."""
    answer = await simulator.http.post(path, data=form, headers=BROWSER)
    assert answer.status_code == 303, answer.text
    assert (await simulator.http.get(answer.headers["location"], headers=BROWSER)).status_code == 200


async def test_a_person_is_shown_with_dates_and_what_they_mean(simulator: Running) -> None:
    assert await shown(simulator, "/sim/persons/27828844178") == {
        "nationalIdentityNumber": "27828844178",
        "name": "HALV SKOLISSE",
        "email": "gammel-epost@epost.example",
        "emailLastUpdated": "2024-08-02T12:00:00Z",
        "emailLastVerified": None,
        "emailIsOutdated": True,
        "mobileNumber": "+4799999008",
        "mobileNumberLastUpdated": "2026-01-31T12:00:00Z",
        "mobileNumberLastVerified": None,
        "mobileNumberIsOutdated": False,
        "isReserved": False,
        "shows": "the email stale, the number fresh",
        "visibleFrom": None,
    }


async def test_the_seed_dates_are_counted_in_calendar_months(simulator: Running) -> None:
    person = await shown(simulator, "/sim/persons/09895134160")
    assert (person["emailLastUpdated"], person["mobileNumberLastUpdated"]) == (
        "2024-09-03T12:00:00Z",
        "2024-09-01T12:00:00Z",
    )


@pytest.mark.parametrize("path", [P01, SHARED, "/sim/users/20001"])
async def test_what_was_read_can_be_sent_back(simulator: Running, path: str) -> None:
    before = await shown(simulator, path)
    answer = await simulator.http.put(path, json=before)
    assert (answer.status_code, answer.json()) == (200, before)


async def test_a_new_address_is_fresh_and_what_is_absent_stays(simulator: Running) -> None:
    answer = await simulator.http.put("/sim/persons/14925926230", json={"email": "ny@epost.example"})
    person = answer.json()
    assert (person["email"], person["emailLastUpdated"]) == ("ny@epost.example", "2026-03-02T12:00:00Z")
    assert not person["emailIsOutdated"]
    assert person["mobileNumberIsOutdated"]
    assert person["name"] == "GAMMEL GRANKONGLE"


async def test_an_address_is_taken_away_by_null_and_its_dates_with_it(simulator: Running) -> None:
    person = (await simulator.http.put(P01, json={"email": None})).json()
    assert (person["email"], person["emailLastUpdated"], person["emailIsOutdated"]) == (None, None, False)


async def test_somebody_new_becomes_known_by_a_put(simulator: Running) -> None:
    nobody = "/sim/persons/03837019264"
    assert (await simulator.http.get(nobody)).status_code == 404
    assert (await simulator.http.put(nobody, json={"mobileNumber": "+4799999020"})).status_code == 200
    assert (await shown(simulator, nobody))["mobileNumber"] == "+4799999020"
    organisation = await simulator.http.put("/sim/organizations/319902066", json={"name": "NY AS"})
    assert (organisation.json()["partyId"], organisation.json()["addresses"]) == (51012, None)
    assert (await simulator.http.put("/sim/users/7", json={"name": "Ny"})).json()["userId"] == 7


@pytest.mark.parametrize(
    ("path", "body", "properties"),
    [
        ("/sim/persons/12838530256", {}, {"nationalIdentityNumber"}),
        (P01, {"mail": "x"}, {"mail"}),
        (P01, {"emailLastUpdated": "2026-01-01T00:00:00"}, {"emailLastUpdated"}),
        (P01, {"email": ""}, {"email"}),
        ("/sim/organizations/319900242", {}, {"organizationNumber"}),
        (SHARED, {"mainUnit": "319900242"}, {"mainUnit"}),
        (SHARED, {"addresses": {"mails": []}}, {"addresses.mails"}),
        ("/sim/users/0", {}, {"userId"}),
        ("/sim/users/20001", {"contactPoints": [{}]}, {"contactPoints.0.organizationNumber"}),
        ("/sim/grants", {"grants": [{"userId": 1}]}, {"grants.0.organizationNumber", "grants.0.resource"}),
    ],
)
async def test_a_wrong_edit_names_what_is_wrong(
    simulator: Running, path: str, body: dict[str, Any], properties: set[str]
) -> None:
    answer = await simulator.http.put(path, json=body)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, properties)


async def test_an_edit_that_is_still_spreading_says_when_it_is_seen(simulator: Running) -> None:
    await simulator.http.put("/sim/settings", json={"contactDelaySeconds": 600})
    person = (await simulator.http.put(P01, json={"email": "ny@epost.example"})).json()
    assert person["visibleFrom"] == "2026-03-02T12:10:00Z"
    page = (await simulator.http.get(P01, headers=BROWSER)).text
    assert "Look-ups see the change from 02.03.2026 13:10:00" in page


async def test_edits_spread_one_after_the_other(simulator: Running) -> None:
    async def told() -> str:
        question = {"nationalIdentityNumbers": ["12838530255"]}
        answer = await simulator.http.post("/profile/api/v1/users/contactpoint/lookup", json=question)
        email: str = answer.json()["contactPointsList"][0]["email"]
        return email

    await simulator.http.put("/sim/settings", json={"contactDelaySeconds": 600})
    await simulator.http.put(P01, json={"email": "first@epost.example"})
    await simulator.http.put("/sim/clock", json={"advanceSeconds": 300})
    await simulator.http.put(P01, json={"email": "second@epost.example"})
    assert await told() == "begge@epost.example"
    await simulator.http.put("/sim/clock", json={"advanceSeconds": 300})
    assert await told() == "first@epost.example"
    await simulator.http.put("/sim/clock", json={"advanceSeconds": 300})
    assert await told() == "second@epost.example"
    await simulator.http.put("/sim/settings", json={"contactDelaySeconds": 0})
    await simulator.http.put(P01, json={"email": "third@epost.example"})
    await simulator.http.put("/sim/clock", json={"offsetSeconds": 0})
    assert await told() == "third@epost.example"


async def test_the_form_of_a_person_changes_what_differs_from_the_page(simulator: Running) -> None:
    await saved(
        simulator,
        P01,
        name="RASK BADEHETTE",
        email="begge@epost.example",
        emailLastUpdated="2026-01-31",
        emailLastVerified="2026-02-28",
        mobileNumber="",
        isReserved="on",
    )
    person = await shown(simulator, P01)
    assert person["emailLastUpdated"] == "2026-01-31T12:00:00Z"  # its date was left alone, so its time of day stays
    assert person["emailLastVerified"] == "2026-02-27T23:00:00Z"
    assert (person["mobileNumber"], person["isReserved"]) == (None, True)
    await saved(simulator, P01, name="RASK BADEHETTE", email="ny@epost.example", emailLastUpdated="2026-01-31")
    person = await shown(simulator, P01)
    assert (person["email"], person["emailLastUpdated"]) == ("ny@epost.example", "2026-03-02T12:00:00Z")
    assert not person["isReserved"]


async def test_a_form_that_cannot_be_saved_says_why(simulator: Running) -> None:
    answer = await simulator.http.post(P01, data={"emailLastUpdated": "soon"}, headers=BROWSER)
    assert answer.status_code == 400
    assert "This was not saved" in answer.text
    assert "emailLastUpdated" in answer.text


async def test_the_form_of_an_organisation_is_all_that_is_known_of_it(simulator: Running) -> None:
    form = {
        "name": "DELT ANSVAR AS",
        "mainUnit": "319900241",
        "hasRecord": "on",
        "emails.0.address": "",
        "emails.0.isAccepted": "on",
        "emails.1.address": "ny@delt.example",
        "emails.1.isAccepted": "on",
        "mobileNumbers.0.address": "+4799999106",
        "mobileNumbers.0.isDeleted": "on",
    }
    await saved(simulator, SHARED, **form)
    organisation = await shown(simulator, SHARED)
    assert organisation["mainUnit"] == "319900241"
    assert organisation["addresses"] == {
        "emails": [{"address": "ny@delt.example", "isAccepted": True, "isDeleted": False}],
        "mobileNumbers": [{"address": "+4799999106", "isAccepted": False, "isDeleted": True}],
    }
    del form["hasRecord"]
    await saved(simulator, SHARED, **form)
    assert (await shown(simulator, SHARED))["addresses"] is None


async def test_the_forms_of_rights_give_and_take_away(simulator: Running) -> None:
    grant = {"userId": "20002", "organizationNumber": "319900896", "resource": "ttd-demo-service", "action": "read"}

    async def may() -> list[dict[str, str]]:
        users = {user["name"]: user["grants"] for user in (await shown(simulator, SHARED))["users"]}
        grants: list[dict[str, str]] = users["Bjarne"]
        return grants

    app = {"resource": "app_ttd_demo-app", "action": "read"}
    assert await may() == [app]
    await saved(simulator, "/sim/grants", **grant)
    assert await may() == [app, {"resource": "ttd-demo-service", "action": "read"}]
    await saved(simulator, "/sim/grants", **grant, isGranted="false")
    assert await may() == [app]


async def test_the_form_of_a_user_is_all_that_is_known_of_them(simulator: Running) -> None:
    form = {
        "name": "Anna",
        "userName": "anna",
        "email": "anna@epost.example",
        "contactPoints.0.organizationNumber": "",
        "contactPoints.0.email": "gone@delt.example",
        "contactPoints.1.organizationNumber": "319900241",
        "contactPoints.1.mobileNumber": "+4799999202",
        "contactPoints.1.services": "a, b",
    }
    await saved(simulator, "/sim/users/20001", **form)
    user = await shown(simulator, "/sim/users/20001")
    assert (user["userName"], user["nationalIdentityNumber"], user["mobileNumber"]) == ("anna", None, None)
    assert user["contactPoints"] == [
        {"organizationNumber": "319900241", "email": None, "mobileNumber": "+4799999202", "services": ["a", "b"]}
    ]


async def test_forms_make_somebody_new_known(simulator: Running) -> None:
    await saved(simulator, "/sim/persons", nationalIdentityNumber="03837019264", name="NY PERSON")
    await saved(simulator, "/sim/organizations", organizationNumber="319902066", name="")
    await saved(simulator, "/sim/users", userId="7", name="")
    assert (await shown(simulator, "/sim/persons/03837019264"))["name"] == "NY PERSON"
    assert (await shown(simulator, "/sim/organizations/319902066"))["name"] is None
    assert (await shown(simulator, "/sim/users/7"))["name"] == "Bruker 7"


async def test_adding_somebody_who_is_known_changes_nothing(simulator: Running) -> None:
    before = await shown(simulator, P01)
    await saved(simulator, "/sim/persons", nationalIdentityNumber="12838530255", name="ANNET NAVN")
    assert await shown(simulator, P01) == before


async def test_users_are_found_by_name_user_name_or_id(simulator: Running) -> None:
    for search, ids in (("anna", [20001]), ("EPOST:", [40001]), ("30500", [30500]), ("nobody at all", [])):
        users = (await shown(simulator, f"/sim/users?search={search}"))["users"]
        assert [user["userId"] for user in users] == ids


async def test_everybody_of_the_seed_is_on_the_lists(simulator: Running) -> None:
    assert len((await shown(simulator, "/sim/persons"))["persons"]) == 27
    organisations = (await shown(simulator, "/sim/organizations"))["organizations"]
    assert {one["organizationNumber"]: one["userCount"] for one in organisations}["319901418"] == 501
    assert len((await shown(simulator, "/sim/users"))["users"]) == 510
