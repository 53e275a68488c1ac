from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from altinn_notifications.orders.model import NotificationChannel, Recipient
from altinn_notifications.platform.dependencies import Dependency, DependencyFailed
from altinn_notifications.recipients.contacts import Addresses, Contact, Contacts, Identity, Kind, identity_of
from altinn_notifications.recipients.lookup import resolve, resolve_names
from support.orders import EMAIL, SMS, an_order
from support.platform_peer import DECISION, EXTERNAL, NAMES, ORGANIZATIONS, PERSONS, USERS, Reply

if TYPE_CHECKING:
    from altinn_notifications.orders.model import Order
    from altinn_notifications.platform.clients import Platform
    from support.platform_peer import PlatformPeer

KARI = Recipient(national_identity_number="12838530255")
OLA = Recipient(national_identity_number="05917921107")
FLINK = Recipient(organization_number="319900241")
DELT = Recipient(organization_number="319900896")
USER = Recipient(external_identity="urn:altinn:party:username:Kari")
RESOURCE = "urn:altinn:resource:ttd-demo-service"
PERSONAL = replace(EMAIL, subject="Hei $recipientName$")
KNOWN: Contacts = {
    Identity(Kind.PERSON, "12838530255"): Contact((Addresses(("kari@e.no",)),)),
    Identity(Kind.ORGANIZATION, "319900241"): Contact((Addresses(("post@flink.no",)),)),
}


def order(*recipients: Recipient, **changes: Any) -> Order:
    return an_order(
        **{
            "channel": NotificationChannel.EMAIL_AND_SMS,
            "recipients": recipients,
            "email": EMAIL,
            "sms": SMS,
            "use_stale_contact_information": False,
            **changes,
        }
    )


def person(recipient: Recipient, **changes: Any) -> dict[str, Any]:
    """A person as Profile tells of it, fresh on both channels."""
    return {
        "nationalIdentityNumber": recipient.national_identity_number,
        "isReserved": False,
        "email": "kari@e.no",
        "mobileNumber": "99999001",
        **changes,
    }


def organization(recipient: Recipient, *emails: str, **changes: Any) -> dict[str, Any]:
    return {
        "organizationNumber": recipient.organization_number,
        "emailList": list(emails),
        "mobileNumberList": [],
        **changes,
    }


def users(recipient: Recipient, party_id: int | None, *entries: tuple[int, str | None, str | None]) -> dict[str, Any]:
    points = [{"userId": user, "email": email, "mobileNumber": number} for user, email, number in entries]
    return {
        "organizationNumber": recipient.organization_number,
        "partyId": party_id,
        "userContactPoints": points,
    }


async def contacts(platform: Platform, asked: Order, *, registration: bool = False) -> Contacts:
    found = (await resolve([asked], platform, registration=registration))[asked.id]
    assert not isinstance(found, DependencyFailed)
    return found


async def contact(platform: Platform, asked: Order, *, registration: bool = False) -> Contact | None:
    """What is found about the order's first recipient."""
    identity = identity_of(asked.recipients[0])
    assert identity is not None
    return (await contacts(platform, asked, registration=registration)).get(identity)


class TestPersons:
    async def test_addresses_are_cleaned_and_reservation_is_told(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.persons = [person(KARI, isReserved=True)]
        assert await contact(platform, order(KARI)) == Contact(
            (Addresses(("kari@e.no",), ("+4799999001",)),), is_reserved=True
        )

    async def test_an_invalid_number_counts_as_none(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.persons = [person(KARI, mobileNumber="12345678")]
        assert await contact(platform, order(KARI)) == Contact((Addresses(("kari@e.no",)),))

    async def test_who_is_left_out_is_not_known(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.answer_next(PERSONS, Reply({"contactPointsList": []}))
        assert await contacts(platform, order(KARI)) == {}

    async def test_stale_data_is_asked_for_where_the_order_wants_it(
        self, platform: Platform, peer: PlatformPeer
    ) -> None:
        peer.stale_persons = [person(KARI)]
        fresh, stale = order(KARI), order(KARI, use_stale_contact_information=True)
        found = await resolve([fresh, stale], platform, registration=False)
        assert (found[fresh.id], len(found[stale.id])) == ({}, 1)  # type: ignore[arg-type] # no failure here
        flags = {call.json["useStaleContactInfo"]: call.json["nationalIdentityNumbers"] for call in peer.calls}
        assert flags == {False: ["12838530255"], True: ["12838530255"]}

    async def test_resources_play_no_role(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.persons = [person(KARI)]
        await contacts(platform, order(KARI, resource_id=RESOURCE))
        assert {call.path for call in peer.calls} == {PERSONS}


class TestExternalIdentities:
    async def test_they_are_found_whatever_the_letter_case(self, platform: Platform, peer: PlatformPeer) -> None:
        urn = "URN:altinn:party:username:kari"
        point = {"externalIdentity": urn, "email": "k@e.no", "mobileNumber": "1"}
        peer.answer_next(EXTERNAL, Reply({"contactPointsList": [point]}))
        assert await contact(platform, order(USER)) == Contact((Addresses(("k@e.no",)),))
        assert peer.calls[0].json == {"externalIdentities": [USER.external_identity]}


class TestOrganisations:
    async def test_official_addresses_lose_their_duplicates(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.organizations = [
            organization(FLINK, "Post@d.no", "post@d.no", mobileNumberList=["99999109", "+4799999109", None, "1"])
        ]
        assert await contact(platform, order(FLINK)) == Contact((Addresses(("Post@d.no",), ("+4799999109",)),))

    async def test_without_a_resource_users_are_not_looked_for(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.organizations = [organization(DELT, "post@delt.no")]
        for resource in (None, "", " "):
            await contacts(platform, order(DELT, resource_id=resource))
        assert {call.path for call in peer.calls} == {ORGANIZATIONS}

    async def test_at_registration_users_are_not_looked_for(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.users = [users(DELT, 51006, (20001, "anna@delt.no", None))]
        assert await contact(platform, order(DELT, resource_id=RESOURCE), registration=True) is None
        assert {call.path for call in peer.calls} == {ORGANIZATIONS}

    async def test_permitted_users_follow_the_official_addresses(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.organizations = [organization(DELT, "post@delt.no", mobileNumberList=["+4799999106"])]
        peer.users = [
            users(
                DELT,
                51006,
                (20001, "anna@delt.no", "+4799999201"),
                (20002, "bjarne@delt.no", None),
                (20004, "POST@delt.no", "+4799999106"),
            )
        ]
        peer.permits = {(51006, 20001), (51006, 20004)}
        assert await contact(platform, order(DELT, resource_id=RESOURCE)) == Contact(
            (
                Addresses(("post@delt.no",), ("+4799999106",)),
                Addresses(("anna@delt.no",), ("+4799999201",)),
            )
        )
        assert peer.calls_to(USERS)[0].json["resourceId"] == "ttd-demo-service"

    async def test_without_official_addresses_users_are_all_there_is(
        self, platform: Platform, peer: PlatformPeer
    ) -> None:
        peer.users = [users(DELT, 51006, (20001, "anna@delt.no", None), (20002, None, "12345678"))]
        peer.permits = {(51006, 20001), (51006, 20002)}
        found = await contact(platform, order(DELT, resource_id=RESOURCE))
        assert found == Contact((Addresses(("anna@delt.no",)),))

    async def test_a_user_may_act_for_one_organisation_and_not_for_another(
        self, platform: Platform, peer: PlatformPeer
    ) -> None:
        peer.users = [users(DELT, 51006, (20001, "a@delt.no", None)), users(FLINK, 51001, (20001, "a@flink.no", None))]
        peer.permits = {(51001, 20001)}
        found = await contacts(platform, order(DELT, FLINK, resource_id=RESOURCE))
        assert found == {
            Identity(Kind.ORGANIZATION, "319900241"): Contact((Addresses(("a@flink.no",)),)),
            Identity(Kind.ORGANIZATION, "319900896"): Contact(()),
        }

    async def test_of_a_user_who_is_there_twice_the_first_record_counts(
        self, platform: Platform, peer: PlatformPeer
    ) -> None:
        peer.users = [users(DELT, 51006, (20001, "first@delt.no", None), (20001, "second@delt.no", None))]
        peer.permits = {(51006, 20001)}
        found = await contact(platform, order(DELT, resource_id=RESOURCE))
        assert found == Contact((Addresses(("first@delt.no",)),))
        assert len(peer.calls_to(DECISION)[0].json["request"]["multiRequests"]["requestReference"]) == 1

    async def test_users_of_an_organisation_without_a_party_are_not_used(
        self, platform: Platform, peer: PlatformPeer
    ) -> None:
        peer.users = [users(DELT, None, (20001, "anna@delt.no", None))]
        assert await contact(platform, order(DELT, resource_id=RESOURCE)) == Contact(())
        assert peer.calls_to(DECISION) == []

    async def test_users_in_the_official_answer_need_no_authorisation(
        self, platform: Platform, peer: PlatformPeer
    ) -> None:
        delivered = users(DELT, 51006, (20001, "anna@delt.no", None))["userContactPoints"]
        peer.organizations = [organization(DELT, "post@delt.no", userContactPoints=delivered)]
        found = await contact(platform, order(DELT))
        assert found == Contact((Addresses(("post@delt.no",)), Addresses(("anna@delt.no",))))
        assert peer.calls_to(DECISION) == []

    async def test_an_unknown_resource_leaves_the_official_addresses(
        self, platform: Platform, peer: PlatformPeer
    ) -> None:
        peer.organizations = [organization(DELT, "post@delt.no")]
        peer.users = [users(DELT, 51006, (20001, "anna@delt.no", None))]
        peer.answer_next(DECISION, Reply({"response": [{"decision": "Indeterminate"}]}))
        found = await contact(platform, order(DELT, resource_id=RESOURCE))
        assert found == Contact((Addresses(("post@delt.no",)),))

    async def test_five_hundred_and_one_users_take_two_decisions(self, platform: Platform, peer: PlatformPeer) -> None:
        everybody = [(30000 + number, f"u{number}@mange.no", None) for number in range(501)]
        peer.users = [users(DELT, 51010, *everybody)]
        peer.permits = {(51010, user) for user, _, _ in everybody if user % 2 == 0}
        found = await contact(platform, order(DELT, resource_id=RESOURCE))
        assert found is not None
        assert len(found.points) == 251
        assert len(peer.calls_to(DECISION)) == 2

    async def test_the_orders_action_is_asked_about(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.users = [users(DELT, 51006, (20001, "anna@delt.no", None))]
        await contacts(platform, order(DELT, resource_id=RESOURCE, resource_action=" sign "))
        (action,) = peer.calls_to(DECISION)[0].json["request"]["action"]
        assert action["attribute"][0]["value"] == "sign"


class TestManyOrders:
    async def test_many_orders_share_their_calls(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.persons = [person(KARI), person(OLA, email="ola@e.no")]
        peer.organizations = [organization(FLINK, "post@flink.no")]
        orders = [order(KARI), order(OLA, KARI), order(FLINK), order(KARI, FLINK)]
        found = await resolve(orders, platform, registration=False)
        assert sorted(call.path for call in peer.calls) == sorted([PERSONS, ORGANIZATIONS])
        assert peer.calls_to(PERSONS)[0].json["nationalIdentityNumbers"] == ["12838530255", "05917921107"]
        assert [len(found[one.id]) for one in orders] == [1, 2, 1, 2]  # type: ignore[arg-type] # no failure here

    async def test_orders_of_several_resources_are_kept_apart(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.organizations = [organization(DELT, "post@delt.no")]
        peer.users = [users(DELT, 51006, (20001, "anna@delt.no", None))]
        peer.permits = {(51006, 20001)}
        first, second = order(DELT, resource_id=RESOURCE), order(DELT, resource_id="urn:altinn:resource:app_ttd_demo")
        third = order(DELT)
        found = await resolve([first, second, third], platform, registration=False)
        assert sorted(call.json["resourceId"] for call in peer.calls_to(USERS)) == ["app_ttd_demo", "ttd-demo-service"]
        assert len(peer.calls_to(DECISION)) == 2
        assert len(peer.calls_to(ORGANIZATIONS)) == 1
        delt = Identity(Kind.ORGANIZATION, "319900896")
        points = [len(known[delt].points) for known in found.values() if not isinstance(known, DependencyFailed)]
        assert points == [2, 2, 1]

    async def test_who_has_an_address_is_not_looked_up(self, platform: Platform, peer: PlatformPeer) -> None:
        direct = Recipient(email_address="a@x.no", mobile_number="+4799999999")
        assert await contacts(platform, order(direct)) == {}
        assert peer.calls == []

    async def test_nothing_is_remembered_between_look_ups(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.persons = [person(KARI)]
        await contacts(platform, order(KARI))
        peer.persons = [person(KARI, email="new@e.no")]
        found = await contact(platform, order(KARI))
        assert found is not None
        assert found.points[0].emails == ("new@e.no",)

    @pytest.mark.parametrize("path", [PERSONS, EXTERNAL, ORGANIZATIONS, USERS, DECISION])
    async def test_a_failure_concerns_only_the_orders_that_depend_on_it(
        self, platform: Platform, peer: PlatformPeer, path: str
    ) -> None:
        peer.users = [users(DELT, 51006, (20001, "anna@delt.no", None))]
        concerned = {
            PERSONS: [order(KARI), order(KARI, FLINK)],
            EXTERNAL: [order(USER)],
            ORGANIZATIONS: [order(FLINK), order(KARI, FLINK), order(DELT, resource_id=RESOURCE)],
            USERS: [order(DELT, resource_id=RESOURCE)],
            DECISION: [order(DELT, resource_id=RESOURCE)],
        }
        others = {
            PERSONS: [order(FLINK), order(USER)],
            EXTERNAL: [order(KARI)],
            ORGANIZATIONS: [order(KARI), order(USER)],
            USERS: [order(DELT), order(KARI)],
            DECISION: [order(DELT), order(FLINK, resource_id=RESOURCE)],
        }
        peer.answer_next(path, *[Reply(status=503)] * 3)
        found = await resolve([*concerned[path], *others[path]], platform, registration=False)
        failed = {id_ for id_, known in found.items() if isinstance(known, DependencyFailed)}
        assert failed == {one.id for one in concerned[path]}

    async def test_a_failure_tells_which_dependency_it_was(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.answer_next(PERSONS, Reply(status=500))
        asked = order(KARI)
        failure = (await resolve([asked], platform, registration=True))[asked.id]
        assert isinstance(failure, DependencyFailed)
        assert (failure.dependency, failure.cause) == (Dependency.PROFILE, "status 500")


class TestNames:
    async def test_the_names_of_many_orders_take_one_call(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.names = {"12838530255": "RASK BADEHETTE", "319900241": None}
        first, second, plain = order(KARI, email=PERSONAL), order(FLINK, KARI, email=PERSONAL), order(KARI)
        names = await resolve_names([(one, KNOWN) for one in (first, second, plain)], platform)
        kari, flink = Identity(Kind.PERSON, "12838530255"), Identity(Kind.ORGANIZATION, "319900241")
        assert names == {
            first.id: {kari: "RASK BADEHETTE"},
            second.id: {kari: "RASK BADEHETTE", flink: ""},
            plain.id: {},
        }
        assert len(peer.calls) == 1

    async def test_texts_without_keywords_never_need_register(self, platform: Platform, peer: PlatformPeer) -> None:
        peer.answer_next(NAMES, Reply(status=500))
        plain = order(KARI)
        assert await resolve_names([(plain, KNOWN)], platform) == {plain.id: {}}
        assert peer.calls == []

    async def test_when_register_fails_the_orders_with_keywords_fail(
        self, platform: Platform, peer: PlatformPeer
    ) -> None:
        peer.answer_next(NAMES, Reply(status=500))
        personal, plain = order(KARI, email=PERSONAL), order(KARI)
        names = await resolve_names([(personal, KNOWN), (plain, KNOWN)], platform)
        assert isinstance(names[personal.id], DependencyFailed)
        assert names[plain.id] == {}

    async def test_a_number_with_wrong_check_digits_does_not_hold_up_the_others(
        self, platform: Platform, peer: PlatformPeer
    ) -> None:
        peer.names = {"12838530255": "RASK BADEHETTE"}
        wrong = Recipient(national_identity_number="12838530256")
        known = {**KNOWN, Identity(Kind.PERSON, "12838530256"): Contact((Addresses(("x@e.no",)),))}
        personal = order(KARI, wrong, email=PERSONAL)
        names = await resolve_names([(personal, known)], platform)
        assert names == {personal.id: {Identity(Kind.PERSON, "12838530255"): "RASK BADEHETTE"}}
