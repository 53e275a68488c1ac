"""Shell commands for everything a newcomer may want to try (spec 13, 17). Made from values, so that they stay right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from altinn_notifications.simulator import seed

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPE: Final = "altinn:serviceowner/notifications.create"
COMPOSED_SCOPE: Final = "altinn:serviceowner/notifications.composedemail.create"
SUPPORT_SCOPE: Final = "altinn:notifications.support.admin"
_EMAIL: Final = {"subject": "Ny melding", "body": "Du har en ny melding i Altinn."}
_SMS: Final = {"body": "Du har en ny melding i Altinn.", "sendingTimePolicy": "Anytime"}
_BOTH: Final = {"emailSettings": _EMAIL, "smsSettings": _SMS}
_NOW: Final = "'$(date +%s)$RANDOM'"  # ends the quoted body, so that the shell writes the time into it

_BOTH_CHANNELS: Final = "12838530255"
_RESERVED: Final = "17816812151"
_STALE: Final = "14925926230"
_SEVERAL_ADDRESSES: Final = "319900241"


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to try, and what to paste for it."""

    title: str
    command: str


@dataclass(frozen=True, slots=True)
class Topic:
    """Things that belong together."""

    title: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Examples:
    """All commands for one simulator (`here`) and one service, both without a slash at the end.

    Without `metrics_key`, the service's key of the metrics files, there are none that fetch those.
    """

    here: str
    service: str
    metrics_key: str = ""

    @property
    def _api(self) -> str:
        return f"{self.service}/notifications/api/v1"

    def first(self) -> tuple[Example, ...]:
        """From a token to a message's status, to be pasted one after the other."""
        email = {"recipientEmail": {"emailAddress": "kari@epost.example", "emailSettings": _EMAIL}}
        sms = {"recipientSms": {"phoneNumber": "+4799999001", "smsSettings": _SMS}}
        return (
            Example("Get a token", self._quick_token("TOKEN", "ttd")),
            Example("Order an email", self._kept_order("email", email)),
            Example("Order an SMS", self._kept_order("sms", sms)),
            Example("Ask what became of it", self._get("future/shipment/$SHIPMENT")),
        )

    def topics(self) -> tuple[Topic, ...]:
        """Everything else; each command needs the token of the first one, and some the last shipment."""
        return (
            Topic("Tokens", self._tokens()),
            Topic("Persons", self._persons()),
            Topic("Organisations and users", self._organisations()),
            Topic("Reminders, conditions and the clock", self._time()),
            Topic("Email with attachments", self._attachments()),
            Topic("Instant messages", self._instant()),
            Topic("First-generation orders", self._first_generation()),
            Topic("After the order", self._afterwards()),
            Topic("For support and statistics", self._insight()),
            Topic("When something fails", self._failures()),
        )

    def _tokens(self) -> tuple[Example, ...]:
        return (
            Example("Another service owner's token", self._quick_token("OTHER", "annen")),
            Example("Through Maskinporten and the exchange, in Python with PyJWT", self._maskinporten()),
            Example(
                "An app's platform access token",
                f"PLATFORM_TOKEN=$(curl -s '{self.here}/api/GetPlatformAccessToken?org=ttd&app=demo-app')",
            ),
        )

    def _persons(self) -> tuple[Example, ...]:
        schemas = ("Email", "Sms", "EmailAndSms", "EmailPreferred", "SmsPreferred")
        return (
            *(Example(f"Channel {schema}", self._to_person(_BOTH_CHANNELS, schema)) for schema in schemas),
            Example("A reserved person: not sent", self._to_person(_RESERVED, "Email")),
            Example("The same, sent all the same", self._to_person(_RESERVED, "Email", ignoreReservation=True)),
            Example("Stale contact data: refused", self._to_person(_STALE, "Email")),
            Example("The same, allowed", self._to_person(_STALE, "Email", useStaleContactInformation=True)),
            Example("Nobody: refused", self._to_person(seed.NOBODY, "Email")),
            Example(
                "Change where a person is reached",
                self._put(f"persons/{_BOTH_CHANNELS}", {"email": "ny@epost.example"}),
            ),
            Example("Let changes take ten minutes, as in TT02", self._put("settings", {"contactDelaySeconds": 600})),
        )

    def _organisations(self) -> tuple[Example, ...]:
        named = {"subject": "Til $recipientName$", "body": "Organisasjonsnummer $recipientNumber$"}
        given = {"userId": 20002, "organizationNumber": seed.SHARED, "resource": seed.DEMO, "action": "read"}
        user = "urn:altinn:party:username:kari"
        return (
            Example(
                "Several addresses, with name and number in the text",
                self._order("organisation", _organisation(_SEVERAL_ADDRESSES, emailSettings=named, smsSettings=_SMS)),
            ),
            Example("With the users who may read a resource", self._to_users(seed.DEMO)),
            Example("With the users who may sign", self._to_users(seed.DEMO, resourceAction="sign")),
            Example("An app's resource", self._to_users(seed.APP)),
            Example("Let one more user read it", self._put("grants", {"grants": [given]})),
            Example(
                "Somebody known by a user name",
                self._order(
                    "external",
                    {"recipientExternalIdentity": {"externalIdentity": user, "channelSchema": "Email", **_BOTH}},
                ),
            ),
        )

    def _time(self) -> tuple[Example, ...]:
        recipient = _person(_BOTH_CHANNELS, "EmailPreferred")
        reminder = {"delayDays": 7, "recipient": recipient}
        condition = {"conditionEndpoint": f"{self.here}/sim/conditions/never"}
        return (
            Example("With a reminder after seven days", self._order("reminder", recipient, reminders=[reminder])),
            Example("Seven days later", self._put("clock", {"advanceSeconds": 7 * 24 * 3600})),
            Example("Back to the present", self._put("clock", {"offsetSeconds": 0})),
            Example("A condition that says no", self._order("condition", recipient, **condition)),
            Example("Who asked the condition", f"curl -s {self.here}/sim/conditions/never/calls"),
            Example(
                "A condition of your own",
                self._put("conditions/mine", {"sequence": [{"status": 500}], "sendNotification": False}),
            ),
        )

    def _attachments(self) -> tuple[Example, ...]:
        file = {"filename": "vedtak.txt", "mimeType": "text/plain", "sasUrl": "'$LINK'"}
        settings = {"subject": "Vedtak i saken din", "body": "Vedtaket ligger ved.", "attachments": [file]}
        recipient = {"emailAddress": "kari@epost.example", "emailSettings": settings}
        order = self._order("composed", recipient).replace("/future/orders", "/future/orders/composed-email")
        put = f"echo 'Vedtaket er klart.' | curl -s -X PUT --data-binary @- {self.here}/sim/files/vedtak.txt"
        link = """grep -o '"url": *"[^"]*"' | cut -d'"' -f4"""
        return (
            Example("A token for composed email", self._quick_token("COMPOSED", "ttd", COMPOSED_SCOPE)),
            Example("Put a file where it can be fetched", f"LINK=$({put} | {link})"),
            Example("Order an email with it", order.replace("$TOKEN", "$COMPOSED")),
            Example("Let the next three downloads fail for now", self._fault("files", "error", 3)),
        )

    def _afterwards(self) -> tuple[Example, ...]:
        recipient = _person(_BOTH_CHANNELS, "EmailPreferred")
        twice = self._order("twice", recipient).replace(_NOW, "1")
        later = self._kept_order("later", recipient, requestedSendTime="2099-01-01T09:00:00Z")
        return (
            Example("The feed of all shipments", self._get("future/shipment/feed?seq=0")),
            Example("The same order twice: one shipment", f"{twice}\n{twice}"),
            Example("Order for later", later),
            Example(
                "Cancel it", f'curl -s -X PUT {self._api}/orders/$SHIPMENT/cancel -H "Authorization: Bearer $TOKEN"'
            ),
            Example("Its status for first-generation clients", self._get("orders/$SHIPMENT/status")),
            Example(
                "Another owner asks: not found",
                f"{self._quick_token('OTHER', 'annen')}\n{self._get('future/shipment/$SHIPMENT', 'OTHER')}",
            ),
        )

    def _instant(self) -> tuple[Example, ...]:
        sms = {
            "phoneNumber": "+4799999001",
            "timeToLiveInSeconds": 300,
            "smsSettings": {"body": "Engangskoden er 481516."},
        }
        email = {"emailAddress": "kari@epost.example", "emailSettings": _EMAIL}
        return (
            Example("An SMS at once", self._at_once("sms", {"recipientSms": sms})),
            Example("An email at once", self._at_once("email", {"recipientEmail": email})),
        )

    def _first_generation(self) -> tuple[Example, ...]:
        everybody = [{"nationalIdentityNumber": _BOTH_CHANNELS}, {"organizationNumber": _SEVERAL_ADDRESSES}]
        text = {"subject": "Ny melding", "body": "Du har en ny melding i Altinn."}
        email = {"recipients": [*everybody, {"emailAddress": "kari@epost.example"}], **text}
        sms = {"recipients": [*everybody, {"mobileNumber": "+4799999001"}], "body": text["body"]}
        both = {
            "notificationChannel": "EmailPreferred",
            "recipients": everybody,
            "emailTemplate": text,
            "smsTemplate": {"body": text["body"]},
        }
        return (
            Example("Email to several recipients", self._post("orders/email", email)),
            Example("SMS to several recipients", self._post("orders/sms", sms)),
            Example("By email, else by SMS", self._post("orders", both)),
        )

    def _insight(self) -> tuple[Example, ...]:
        lookup = f"curl -s {self._api}/future/dashboard/recipients/notifications"
        bearer = '-H "Authorization: Bearer $SUPPORT"'
        metrics = f"{self._api}/metrics"
        key = f'-H "X-API-Key: {self.metrics_key}"'
        files = [
            Example(f"Yesterday's final {what} as a Parquet file", f"curl -s -X POST -OJ {metrics}/{path} {key}")
            for path, what in (("sms", "SMS"), ("email", "emails"))
        ]
        return (
            Example("A token for support staff", self._quick_token("SUPPORT", "ttd", SUPPORT_SCOPE)),
            Example("What a person got", f'{lookup}/nin -H "NationalIdentityNumber: {_BOTH_CHANNELS}" {bearer}'),
            Example(
                "What an organisation got", f'{lookup}/orgnumber -H "OrganizationNumber: {_SEVERAL_ADDRESSES}" {bearer}'
            ),
            Example("This month's figures", f'curl -s "{metrics}/data?month=$(date +%-m)&year=$(date +%Y)"'),
            *(files if self.metrics_key else []),
        )

    def _failures(self) -> tuple[Example, ...]:
        return (
            Example("Profile away for the next order", self._fault("profile", "error", 3)),
            Example("A mail relay that does not answer", self._fault("smtp", "timeout", 1)),
            Example("A gateway that talks nonsense", self._fault("sms", "garbage", 1)),
            Example("Everything works again", f"curl -s -X POST {self.here}/sim/reset"),
        )

    def _quick_token(self, variable: str, owner: str, scope: str = SCOPE) -> str:
        return f"{variable}=$(curl -s '{self.here}/api/GetEnterpriseToken?org={owner}&scopes={scope}')"

    def _to_person(self, number: str, schema: str, **more: Any) -> str:
        return self._order("person", _person(number, schema, **more))

    def _to_users(self, resource: str, **more: Any) -> str:
        settings = {**_BOTH, "resourceId": f"urn:altinn:resource:{resource}", **more}
        return self._order("users", _organisation(seed.SHARED, **settings))

    def _order(self, kind: str, recipient: Mapping[str, Any], **more: Any) -> str:
        return self._post("future/orders", {"idempotencyId": f"{kind}-{_NOW}", **more, "recipient": recipient})

    def _at_once(self, channel: str, recipient: Mapping[str, Any]) -> str:
        return self._post(f"future/orders/instant/{channel}", {"idempotencyId": f"instant-{_NOW}", **recipient})

    def _post(self, path: str, body: Mapping[str, Any]) -> str:
        return f"""curl -s {self._api}/{path} \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{json.dumps(body, indent=2)}'"""

    def _kept_order(self, kind: str, recipient: Mapping[str, Any], **more: Any) -> str:
        """An order; the id of its shipment is kept in a variable for later commands."""
        return f"""ANSWER=$({self._order(kind, recipient, **more)})
echo "$ANSWER"
SHIPMENT=$(echo "$ANSWER" | grep -o '"shipmentId": *"[^"]*"' | head -1 | cut -d'"' -f4)"""

    def _get(self, path: str, token: str = "TOKEN") -> str:  # noqa: S107 - the name of a variable
        return f'curl -s "{self._api}/{path}" -H "Authorization: Bearer ${token}"'

    def _put(self, path: str, body: Mapping[str, Any]) -> str:
        return f"curl -s -X PUT {self.here}/sim/{path} -d '{json.dumps(body)}'"

    def _fault(self, target: str, mode: str, count: int) -> str:
        return f"curl -s {self.here}/sim/faults -d '{json.dumps({'target': target, 'mode': mode, 'count': count})}'"

    def _maskinporten(self) -> str:
        return f"""TOKEN=$(python - <<'END'
import json, time, urllib.parse, urllib.request as web, uuid, jwt
here = "{self.here}"
clients = json.load(web.urlopen(here + "/"))["clients"]
client = next(one for one in clients if one["clientId"] == "sim-client-ttd")
issuer = json.load(web.urlopen(here + "/maskinporten/.well-known/oauth-authorization-server"))["issuer"]
now = int(time.time())
claims = {{"iss": client["clientId"], "aud": issuer, "scope": "{SCOPE}",
          "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())}}
jwk = client["privateJwk"]
assertion = jwt.encode(claims, jwt.PyJWK(jwk).key, "RS256", headers={{"kid": jwk["kid"]}})
form = {{"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}}
answer = web.urlopen(here + "/maskinporten/token", urllib.parse.urlencode(form).encode())
bearer = {{"Authorization": "Bearer " + json.load(answer)["access_token"]}}
exchange = here + "/authentication/api/v1/exchange/maskinporten"
print(web.urlopen(web.Request(exchange, headers=bearer)).read().decode())
END
)"""


def _person(number: str, schema: str, **more: Any) -> dict[str, Any]:
    person = {"nationalIdentityNumber": number, "channelSchema": schema, **more, **_BOTH}
    return {"recipientPerson": person}


def _organisation(number: str, **settings: Any) -> dict[str, Any]:
    return {"recipientOrganization": {"orgNumber": number, "channelSchema": "EmailAndSms", **settings}}
