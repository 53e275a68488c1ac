"""Every row of the seed as the service meets it, through its own clients and decisions (spec 13, 19 to 23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.platform.conditions import Condition
from altinn_notifications.platform.dependencies import DependencyFailed
from support.simulator import eventually
from support.world import a_world, greeting, order_to

if TYPE_CHECKING:
    from support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

P01, P04, P05, P07, P08, P09 = (
    "12838530255",
    "17816812151",
    "30897333275",
    "14925926230",
    "27828844178",
    "02876417491",
)
P10, P12, P13, P14, P16, P17 = (
    "19889338108",
    "21907729114",
    "03837019264",
    "29818946188",
    "09895134160",
    "16869948431",
)
O1, O5, O6, O7, O8, O9, O10, O11 = (
    "319900241",
    "319900764",
    "319900896",
    "319901027",
    "319901159",
    "319901280",
    "319901418",
    "319901671",
)
STALE_TOO = {"use_stale_contact_information": True}
DEMO, OTHER, APP = (
    {"resource_id": f"urn:altinn:resource:{name}"}
    for name in ("ttd-demo-service", "ttd-annen-tjeneste", "app_ttd_demo-app")
)


@pytest.mark.parametrize(
    ("number", "channel", "changes", "addresses"),
    [
        (P01, "EmailAndSms", {}, ["begge@epost.example", "+4799999001"]),
        ("05917921107", "SmsPreferred", {}, ["bare-epost@epost.example"]),
        ("05917921107", "Sms", {}, []),
        ("23869140252", "EmailPreferred", {}, ["+4799999003"]),
        ("23869140252", "Email", {}, []),
        (P04, "EmailAndSms", {}, []),
        (P04, "EmailAndSms", {"ignore_reservation": True}, ["reservert@epost.example", "+4799999004"]),
        (P05, "EmailAndSms", {"ignore_reservation": True}, []),
        ("08849615360", "EmailAndSms", {}, []),
        (P07, "EmailAndSms", {}, []),
        (P07, "EmailAndSms", STALE_TOO, ["gammel@epost.example", "+4799999007"]),
        (P08, "EmailPreferred", {}, ["+4799999008"]),
        (P08, "EmailPreferred", STALE_TOO, ["gammel-epost@epost.example"]),
        (P09, "Sms", {}, []),
        (P09, "SmsPreferred", {}, ["gyldig@epost.example"]),
        (P10, "Sms", {}, ["+4799999010"]),
        ("51858223230", "EmailAndSms", {}, ["dnummer@epost.example", "+4799999011"]),
        (P12, "Sms", {}, ["+46701234567"]),
        (P13, "EmailAndSms", {}, []),
        (P14, "EmailAndSms", {}, ["navnlos@epost.example"]),
        ("25920561481", "Sms", {}, ["+4799999015"]),
        (P16, "EmailAndSms", {}, ["grense-inne@epost.example"]),
        (P16, "EmailAndSms", STALE_TOO, ["grense-inne@epost.example", "+4799999016"]),
        (P17, "EmailAndSms", {}, ["bounced+p17@epost.example", "+4799999904"]),
        ("15507600333", "EmailPreferred", {}, ["nav@epost.example"]),
        ("06678425298", "SmsPreferred", {}, ["+4799999019"]),
    ],
)
async def test_a_person_is_reached_as_the_seed_says(
    world: World, number: str, channel: str, changes: dict[str, Any], addresses: list[str]
) -> None:
    assert await world.sent(order_to(number, channel=channel, **changes)) == addresses


async def test_a_reserved_person_is_known_as_reserved_only_where_there_are_addresses(world: World) -> None:
    assert await world.results(order_to(P04, channel="Email")) == ["Failed_RecipientReserved"]
    assert await world.results(order_to(P05, channel="Email")) == ["Failed_RecipientNotIdentified"]
    assert await world.contacts(order_to(P05, channel="Email")) == {}


@pytest.mark.parametrize(
    ("number", "channel", "changes", "addresses"),
    [
        (O1, "EmailAndSms", {}, ["post@flink.example", "regnskap@flink.example", "+4799999101", "+4799999102"]),
        (O1, "EmailPreferred", {}, ["post@flink.example", "regnskap@flink.example"]),
        ("319900373", "SmsPreferred", {}, ["post@bare-epost.example"]),
        ("319900500", "EmailPreferred", {}, ["+4799999103"]),
        ("319900632", "EmailAndSms", {}, []),
        (O5, "EmailAndSms", {}, ["post@flink.example", "regnskap@flink.example", "+4799999101", "+4799999102"]),
        (O6, "Email", {}, ["post@delt.example"]),
        (O6, "Email", DEMO, ["post@delt.example", "anna@delt.example"]),
        (O6, "Sms", DEMO, ["+4799999106", "+4799999201"]),
        (O6, "Email", {**DEMO, "resource_action": "sign"}, ["post@delt.example", "anna@delt.example"]),
        (O6, "Sms", OTHER, ["+4799999106", "+4799999203"]),
        (O6, "Email", APP, ["post@delt.example", "anna@delt.example", "bjarne@delt.example"]),
        (O6, "Email", {"resource_id": "urn:altinn:resource:unknown"}, ["post@delt.example"]),
        (O7, "Email", DEMO, ["anna@kun.example", "bjarne@kun.example"]),
        (O8, "EmailAndSms", {}, []),
        (O9, "EmailAndSms", {}, ["Post@dobbel.example", "+4799999109"]),
        (O11, "Email", {}, ["post@ukjent.example"]),
    ],
)
async def test_an_organisation_is_reached_as_the_seed_says(
    world: World, number: str, channel: str, changes: dict[str, Any], addresses: list[str]
) -> None:
    assert await world.sent(order_to(number, channel=channel, **changes)) == addresses


async def test_at_registration_users_addresses_do_not_count(world: World) -> None:
    assert await world.sent(order_to(O7, channel="Email", **DEMO), registration=True) == []
    assert await world.calls("authorization") == []


async def test_a_sub_unit_is_named_by_its_own_number(world: World) -> None:
    drafts = await world.drafts(order_to(O5, channel="Email"))
    assert {draft.organization_number for draft in drafts} == {O5}


async def test_the_decision_about_an_app_names_its_two_parts(world: World) -> None:
    await world.sent(order_to(O6, channel="Email", **APP))
    (call,) = await world.calls("authorization")
    assert '"urn:altinn:app"' in call["body"]
    assert '"urn:altinn:resource"' not in call["body"]


async def test_users_who_are_not_granted_are_asked_about_all_the_same(world: World) -> None:
    await world.sent(order_to(O6, channel="Sms", **OTHER))
    (call,) = await world.calls("authorization")
    for user in ("20001", "20003", "20004"):
        assert f'"{user}"' in call["body"]


async def test_501_users_are_asked_about_in_two_calls_and_the_even_ones_are_written_to(world: World) -> None:
    addresses = await world.sent(order_to(O10, channel="Email", **DEMO))
    assert len(addresses) == 251
    assert addresses[:3] == ["post@mange.example", "u30002@mange.example", "u30004@mange.example"]
    assert len(await world.calls("authorization")) == 2


@pytest.mark.parametrize(
    ("urn", "addresses"),
    [
        ("urn:altinn:person:idporten-email:ola@epost.example", ["ola.privat@epost.example", "+4799999031"]),
        ("urn:altinn:person:idporten-email:ola%40epost.example", ["ola.privat@epost.example", "+4799999031"]),
        ("urn:altinn:person:idporten-email:ny@epost.example", ["ny@epost.example"]),
        ("urn:altinn:party:username:kari", ["kari@epost.example"]),
        ("urn:altinn:party:username:KARI", ["kari@epost.example"]),
        ("urn:altinn:username:per", ["+4799999033"]),
        ("urn:altinn:person:legacy-selfidentified:gammelbruker", ["gammelbruker@epost.example"]),
        ("urn:altinn:party:username:ingen", []),
        ("urn:altinn:party:username:nobody", []),
    ],
)
async def test_an_external_identity_is_reached_as_the_seed_says(world: World, urn: str, addresses: list[str]) -> None:
    assert await world.sent(order_to(urn)) == addresses


async def test_register_names_those_it_knows_and_nobody_else(world: World) -> None:
    subjects = {draft.destination: draft.subject for draft in await world.drafts(greeting(P01, P13, P14))}
    assert subjects["begge@epost.example"] == "Hei RASK BADEHETTE"
    assert subjects["navnlos@epost.example"] == "Hei "
    organisations = {draft.destination: draft.subject for draft in await world.drafts(greeting(O1, O11))}
    assert organisations["post@flink.example"] == "Hei FLINK TRESKO AS"
    assert organisations["post@ukjent.example"] == "Hei "


async def test_the_service_shows_register_a_token_and_profile_none(world: World) -> None:
    await world.drafts(greeting(P01))
    (register,) = await world.calls("register")
    (profile,) = await world.calls("profile")
    assert register["tokens"][0]["claims"]["iss"] == "platform"
    assert profile["tokens"] == []


async def test_a_number_with_wrong_check_digits_does_not_cost_others_their_names(world: World) -> None:
    subjects = [draft.subject for draft in await world.drafts(greeting(P01, "12838530256"))]
    assert subjects[0] == "Hei RASK BADEHETTE"


async def test_an_edit_takes_effect_after_the_delay_but_a_users_own_entry_at_once(world: World) -> None:
    await world.put("/sim/settings", {"contactDelaySeconds": 600})
    await world.put(f"/sim/persons/{P01}", {"email": "ny@epost.example"})
    await world.put(f"/sim/organizations/{O1}", {"addresses": {"emails": ["ny@flink.example"]}})
    entry = {"organizationNumber": O6, "email": "ny-anna@delt.example"}
    await world.put("/sim/users/20001", {"contactPoints": [entry]})
    assert await world.sent(order_to(P01, channel="Email")) == ["begge@epost.example"]
    assert await world.sent(order_to(O5, channel="EmailPreferred")) == ["post@flink.example", "regnskap@flink.example"]
    assert await world.sent(order_to(O6, channel="Email", **DEMO)) == ["post@delt.example", "ny-anna@delt.example"]
    await world.turn(advanceSeconds=599)
    assert await world.sent(order_to(P01, channel="Email")) == ["begge@epost.example"]
    await world.turn(advanceSeconds=2)
    assert await world.sent(order_to(P01, channel="Email")) == ["ny@epost.example"]
    assert await world.sent(order_to(O5, channel="EmailPreferred")) == ["ny@flink.example"]


async def test_contact_data_grow_stale_with_the_clock(world: World) -> None:
    assert await world.sent(order_to(P16, P01, channel="Email")) == ["grense-inne@epost.example", "begge@epost.example"]
    await world.turn(advanceSeconds=2 * 86_400)
    assert await world.sent(order_to(P16, P01, channel="Email")) == ["begge@epost.example"]
    await world.turn(advanceSeconds=550 * 86_400)
    assert await world.sent(order_to(P16, P01, channel="Email")) == []


async def test_tokens_are_good_whatever_the_clock_is_turned_to(world: World) -> None:
    await world.turn(advanceSeconds=7 * 86_400)
    (draft,) = await world.drafts(greeting(P01))
    assert draft.subject == "Hei RASK BADEHETTE"
    answer = await world.platform.conditions.check(f"{world.url}/sim/conditions/always")
    assert answer.condition is Condition.MET


async def test_a_reset_brings_back_exactly_the_seed(world: World) -> None:
    await world.put(f"/sim/persons/{P01}", {"email": "ny@epost.example", "isReserved": True})
    await world.put(f"/sim/organizations/{O1}", {"addresses": None, "mainUnit": O6})
    await world.put("/sim/users/40002", {"email": None})
    grant = {"userId": 20002, "organizationNumber": O6, "resource": "ttd-demo-service"}
    await world.put("/sim/grants", {"grants": [grant]})
    assert await world.sent(order_to(O6, channel="Email", **DEMO)) == [
        "post@delt.example",
        "anna@delt.example",
        "bjarne@delt.example",
    ]
    await world.http.post("/sim/reset")
    assert await world.sent(order_to(P01)) == ["begge@epost.example", "+4799999001"]
    assert len(await world.sent(order_to(O1))) == 4
    assert await world.sent(order_to("urn:altinn:party:username:kari")) == ["kari@epost.example"]
    assert await world.sent(order_to(O6, channel="Email", **DEMO)) == ["post@delt.example", "anna@delt.example"]


@pytest.mark.parametrize("mode", ["error", "garbage"])
@pytest.mark.parametrize("target", ["profile", "authorization"])
async def test_a_part_that_fails_fails_the_lookup_and_then_recovers(world: World, target: str, mode: str) -> None:
    await world.fault(target, mode, count=9)  # two calls at a time, each repeated twice
    with pytest.raises(DependencyFailed):
        await world.sent(order_to(O6, channel="Email", **DEMO))
    await world.fault(target, mode, count=0)
    assert await world.sent(order_to(O6, channel="Email", **DEMO)) == ["post@delt.example", "anna@delt.example"]


async def test_one_error_is_repeated_within_the_call(world: World) -> None:
    await world.fault("profile", count=1)
    assert await world.sent(order_to(P01, channel="Email")) == ["begge@epost.example"]
    assert [call["status"] for call in await world.calls("profile")] == [200, 503]


async def test_a_register_that_does_not_answer_holds_up_nobody_without_a_name_in_the_text(world: World) -> None:
    await world.fault("register", "timeout")
    assert await world.sent(order_to(P01, channel="Email")) == ["begge@epost.example"]


async def test_maskinporten_away_makes_a_condition_inconclusive() -> None:
    async with a_world() as world:  # whose service has no token yet
        url = f"{world.url}/sim/conditions/always"
        await world.fault("maskinporten", count=3)
        assert (await world.platform.conditions.check(url)).condition is Condition.INCONCLUSIVE
        assert (await world.platform.conditions.check(url)).condition is Condition.MET
        assert [call["status"] for call in await world.calls("maskinporten")] == [200, 503, 503, 503]


async def test_the_service_is_told_the_time(world: World) -> None:
    answer = await world.turn(advanceSeconds=3600)
    assert answer["service"] == {"followed": True, "status": 200}
    await eventually(lambda: world.service.received)
    told = world.service.received[-1]
    assert (told.method, told.path) == ("PUT", "/notifications/api/v1/tests/clock")
    assert told.body == b'{"offsetSeconds":3600.0}'
