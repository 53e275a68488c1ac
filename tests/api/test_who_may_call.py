"""Who may call which endpoint, tried on every endpoint that looks at its caller (spec 11, 2, 5 and 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from altinn_notifications.app import routes
from altinn_notifications.authentication.policies import Policy
from altinn_notifications.settings import GeneralSettings
from support.requests import an_order_request
from support.service import API
from support.tokens import COMPOSED, CREATE, END_USER, SUPPORT, a_key, unsigned

if TYPE_CHECKING:
    import httpx

    from altinn_notifications.api.router import Route
    from support.service import Service

SCOPES: Final = {
    Policy.CREATE: CREATE,
    Policy.COMPOSED: COMPOSED,
    Policy.SUPPORT: SUPPORT,
    Policy.END_USER: END_USER,
}
GUARDED: Final = [route for route in routes(GeneralSettings()) if route.policy in SCOPES]
JSON: Final = {"Content-Type": "application/json"}


async def call(service: Service, route: Route, headers: dict[str, str]) -> httpx.Response:
    """The endpoint's answer to a body that is none, by which those inside the door learn of something else."""
    path = route.path.replace("{id:guid}", "0" * 8 + "-0000-0000-0000-" + "0" * 12).replace("{id}", "x")
    return await service.client.request(route.method, path, content=b"{", headers=JSON | headers)


async def test_nobody_gets_in_without_credentials(service: Service) -> None:
    for route in GUARDED:
        for headers in ({}, {"Authorization": "Bearer aaa.bbb.ccc"}, {"Authorization": "Basic YTpi"}):
            refused = await call(service, route, headers)
            assert (refused.status_code, refused.content) == (401, b""), route.path


async def test_the_scope_of_another_policy_is_forbidden(service: Service) -> None:
    for route in GUARDED:
        for policy, scope in SCOPES.items():
            answer = await call(service, route, service.authorization(scopes=scope))
            assert (answer.status_code == 403) is (policy is not route.policy), (route.path, scope)


async def test_a_forged_platform_token_is_refused_although_the_bearer_is_enough(service: Service) -> None:
    forged = (unsigned({"iss": "skd"}), service.issuer.platform("skd", key=a_key("ttd")), "garbage", "aaa.bbb.ccc")
    for route in GUARDED:
        for token in forged:
            headers = service.authorization(scopes=SCOPES[route.policy]) | {"PlatformAccessToken": token}
            refused = await call(service, route, headers)
            assert (refused.status_code, refused.content) == (401, b""), (route.path, token)


async def test_a_platform_token_alone_opens_the_endpoints_of_owners_only(service: Service) -> None:
    for route in GUARDED:
        answer = await call(service, route, {"PlatformAccessToken": service.issuer.platform()})
        assert (answer.status_code == 401) is (route.policy is not Policy.CREATE), route.path


async def test_what_is_wrong_with_an_order_is_told_before_the_organisation_is_missed(service: Service) -> None:
    orders = [route for route in GUARDED if route.method == "POST"]
    assert len(orders) == 8
    for route in orders:
        person = {"Authorization": f"Bearer {service.issuer.personal(scopes=SCOPES[route.policy])}", **JSON}
        answer = await service.client.post(route.path, content=b"{}", headers=person)
        assert answer.status_code == 400, route.path


async def test_a_forged_platform_token_neither_orders_nor_reads_nor_cancels_for_another(service: Service) -> None:
    placed = await service.order(an_order_request(), headers=service.authorization("skd"))
    order_id = placed.json()["notification"]["shipmentId"]
    forged = service.authorization("ttd") | {"PlatformAccessToken": unsigned({"iss": "skd", "exp": 2**33})}
    answers = [
        await service.order(an_order_request(), headers=forged),
        await service.client.get(f"{API}/future/shipment/{order_id}", headers=forged),
        await service.client.get(f"{API}/orders/{order_id}", headers=forged),
        await service.client.put(f"{API}/orders/{order_id}/cancel", headers=forged),
    ]
    assert [answer.status_code for answer in answers] == [401] * 4
    stored = await service.services.db.fetch("SELECT creator, status FROM order_states")
    assert [(row["creator"], row["status"]) for row in stored] == [("skd", "Registered")]


async def test_another_owners_order_is_not_found(service: Service) -> None:
    placed = await service.order(an_order_request(), headers=service.authorization("skd"))
    order_id = placed.json()["notification"]["shipmentId"]
    assert (await service.get(f"{API}/orders/{order_id}")).status_code == 404
    app_of_skd = {"PlatformAccessToken": service.issuer.platform("skd")}
    assert (await service.client.get(f"{API}/orders/{order_id}", headers=app_of_skd)).status_code == 200


@pytest.mark.parametrize("path", ["/health", f"{API}/tests/sendcondition"])
async def test_open_endpoints_do_not_look_at_tokens(service: Service, path: str) -> None:
    await service.issuer.go_down()
    for token in ("aaa.bbb.ccc", service.bearer):
        headers = {"Authorization": f"Bearer {token}", "PlatformAccessToken": "garbage"}
        assert (await service.client.get(path, headers=headers)).status_code == 200
