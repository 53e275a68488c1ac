"""The OpenAPI document and its page (spec 01, 12 and spec 11, 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jsonschema_rs import validator_for

from altinn_notifications.api import future_orders
from altinn_notifications.api.openapi import document
from altinn_notifications.settings import GeneralSettings
from support.service import API, running_service

if TYPE_CHECKING:
    from altinn_notifications.clock import FixedClock
    from support.service import Service


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = document(future_orders.ROUTES, "http://here")["components"]["schemas"][name]["properties"]
    return found


async def test_the_document_describes_the_public_endpoints(service: Service) -> None:
    response = await service.client.get("/swagger/v1/swagger.json")
    content = response.json()
    assert content["openapi"].startswith("3.0.")
    assert content["components"]["securitySchemes"]["bearerAuth"]["bearerFormat"] == "JWT"
    assert [server["url"] for server in content["servers"]][-1] == "http://localhost:5090"
    order = content["paths"][f"{API}/future/orders"]["post"]
    assert order["tags"] == ["Order"]
    assert {"200", "201", "400", "401", "403", "415", "422", "499", "500", "503"} <= set(order["responses"])
    assert order["security"] == [{"bearerAuth": []}, {"platformAccessToken": []}]
    feed = content["paths"][f"{API}/future/shipment/feed"]["get"]
    assert [parameter["name"] for parameter in feed["parameters"]] == ["seq", "pageSize", "orderBy"]
    shipment = content["paths"][f"{API}/future/shipment/{{id}}"]["get"]
    assert [parameter["in"] for parameter in shipment["parameters"]] == ["path"]
    assert not any("trigger" in path for path in content["paths"])


async def test_the_page_tells_people_the_same(service: Service) -> None:
    response = await service.client.get("/swagger")
    assert response.headers["content-type"].startswith("text/html")
    for text in ("/future/orders", "OrderRequest", "urn:altinn:resource:", "201 Created", "499 Client Closed Request"):
        assert text in response.text


async def test_the_document_can_be_turned_off(database_url: str, clock: FixedClock) -> None:
    settings = GeneralSettings(openapi=False)
    async with running_service(database_url, clock, general=settings) as service:
        assert (await service.client.get("/swagger/v1/swagger.json")).status_code == 404
        assert (await service.client.get("/swagger")).status_code == 404


def test_enumerations_defaults_and_patterns_are_shown() -> None:
    assert properties("EmailSettings")["contentType"] == {
        "type": "string",
        "enum": ["Plain", "Html"],
        "default": "Plain",
    }
    assert properties("EmailSettings")["sendingTimePolicy"]["default"] == "Anytime"
    assert properties("SmsSettings")["sendingTimePolicy"]["default"] == "Daytime"
    assert properties("PersonRecipient")["useStaleContactInformation"]["default"] is False
    assert properties("PersonRecipient")["channelSchema"]["default"] == "EmailPreferred"
    assert properties("ExternalIdentityRecipient")["channelSchema"]["default"] == "Email"
    assert properties("Reminder")["delayDays"]["default"] == 1
    assert properties("PersonRecipient")["resourceId"]["pattern"] == "^urn:altinn:resource:.+$"


@pytest.mark.parametrize("name", ["email", "person"])
def test_the_examples_are_valid_by_the_document(name: str) -> None:
    content = document(future_orders.ROUTES, "http://here")
    media = content["paths"][f"{API}/future/orders"]["post"]["requestBody"]["content"]["application/json"]
    schema = {**media["schema"], "components": content["components"]}
    assert validator_for(schema).is_valid(media["examples"][name]["value"])
    assert not validator_for(schema).is_valid({})
