from __future__ import annotations

from uuid import UUID

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from support.simulator import XML, Running, document, eventually, session

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("number", "state"),
    [
        ("4799999001", "DELIVRD"),
        ("4799999901", "DELIVRD"),
        ("4799999902", "EXPIRED"),
        ("4799999903", "DELETED"),
        ("4799999904", "UNDELIV"),
        ("4799999905", "REJECTD"),
        ("4799999906", "FAILED"),
        ("4799999907", "BARRED"),
        ("4799999908", "UNKNOWN"),
        ("4799999910", "NOSUCHSTATE"),
        ("46701234902", "EXPIRED"),
        ("4741000003", "REJECTD"),
        ("004741000003", "REJECTD"),
    ],
)
async def test_an_accepted_sms_is_reported_as_the_number_says(simulator: Running, number: str, state: str) -> None:
    answer = await simulator.send_sms(number)
    assert (answer["ID"], answer["STATUS"], answer["INFO"]) == ("1", "OK", "")
    assert UUID(answer["REF"])
    await eventually(simulator.service.sms_reports)
    assert simulator.service.sms_reports() == [(answer["REF"], state)]


async def test_no_report_ever_comes_for_a_number_ending_in_909(simulator: Running) -> None:
    answer = await simulator.send_sms("4799999909")
    other = await simulator.send_sms("4799999901")
    await eventually(simulator.service.sms_reports)
    assert answer["STATUS"] == "OK"
    assert simulator.service.sms_reports() == [(other["REF"], "DELIVRD")]
    assert (await simulator.phone("4799999909"))[0]["state"] == "ACCEPTED"


@pytest.mark.parametrize("number", ["4799999911", "4741000001", "+4741000001", "004741000001"])
async def test_a_refused_number_is_named_invalid_and_gets_nothing(simulator: Running, number: str) -> None:
    answer = await simulator.send_sms(number)
    assert answer == {"ID": "1", "STATUS": "FAIL", "INFO": f"Invalid RCV '{number}'."}
    assert await simulator.phone(number) == []


async def test_another_refusal_has_another_status_text(simulator: Running) -> None:
    answer = await simulator.send_sms("4799999912")
    assert answer["STATUS"] == "FAIL"
    assert answer["INFO"]
    assert not answer["INFO"].startswith("Invalid RCV")


async def test_a_number_that_is_none_is_invalid(simulator: Running) -> None:
    assert (await simulator.send_sms("Altinn"))["INFO"] == "Invalid RCV 'Altinn'."


@pytest.mark.parametrize(("number", "refusals"), [("4799999913", 2), ("4741000002", 1)])
async def test_an_unavailable_gateway_takes_a_repeat_and_the_count_starts_anew(
    simulator: Running, number: str, refusals: int
) -> None:
    statuses = [await status_of(simulator, number) for _ in range(2 * (refusals + 1))]
    assert statuses == 2 * [*refusals * [503], 200]
    await eventually(lambda: len(simulator.service.sms_reports()) == 2)
    assert [sms["state"] for sms in await simulator.phone(number)] == ["DELIVRD", "DELIVRD"]


async def test_a_repeat_is_recognised_by_recipient_and_text(simulator: Running) -> None:
    assert await status_of(simulator, "4741000002", "one") == 503
    assert await status_of(simulator, "4741000002", "two") == 503
    assert await status_of(simulator, "+4741000002", "one") == 200


async def status_of(simulator: Running, number: str, text: str = "Hei") -> int:
    return (await simulator.http.post("/sms/gateway", content=session(number, text), headers=XML)).status_code


async def test_a_number_ending_in_914_never_gets_an_answer(simulator: Running) -> None:
    for _ in range(2):
        with pytest.raises(httpx.ReadTimeout):
            await simulator.http.post("/sms/gateway", content=session("4799999914"), headers=XML, timeout=0.1)
    assert await simulator.phone("4799999914") == []
    assert [call["status"] for call in (await simulator.http.get("/sim/calls?target=sms")).json()["calls"]] == [
        None
    ] * 2


async def test_a_number_ending_in_915_is_delivered_twice_and_then_failed(simulator: Running) -> None:
    reference = (await simulator.send_sms("4799999915"))["REF"]
    await eventually(lambda: len(simulator.service.sms_reports()) == 3)
    assert simulator.service.sms_reports() == [(reference, "DELIVRD"), (reference, "DELIVRD"), (reference, "FAILED")]
    assert len(simulator.service.received) == 3  # three reports, so that the service sees one after the other


@pytest.mark.parametrize("path", ["/sms/gateway", "/sms/gateway/"])
async def test_the_gateway_answers_with_and_without_a_slash(simulator: Running, path: str) -> None:
    answer = await simulator.http.post(path, content=session("4799999001"), headers=XML)
    assert fromstring(answer.content).findtext("LOGON") == "OK"
    assert answer.headers["content-type"] == "application/xml"


@pytest.mark.parametrize(
    ("user", "password"), [("somebody", "gateway&amp;password"), ("gateway-user", "wrong"), ("", "")]
)
async def test_a_wrong_account_is_refused_at_logon(simulator: Running, user: str, password: str) -> None:
    content = document("<MSG><ID>1</ID><TEXT>x</TEXT><RCV>4799999001</RCV></MSG>", user=user, password=password)
    answer = fromstring((await simulator.http.post("/sms/gateway", content=content, headers=XML)).content)
    assert answer.findtext("LOGON") == "FAIL"
    assert answer.findtext("REASON")
    assert await simulator.phone("4799999001") == []


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("utf-8", "text/xml; charset=utf-8"),  # the charset of HTTP wins over the declaration
        ("utf-8", 'text/xml; charset="UTF-8"'),
        ("iso-8859-1", "text/xml; charset=iso-8859-1"),
        ("iso-8859-1", "text/xml"),  # no charset: the declaration counts
        ("iso-8859-1", "text/xml; charset=nonsense"),
    ],
)
async def test_text_is_decoded_by_http_first_and_by_the_declaration_second(
    simulator: Running, encoding: str, content_type: str
) -> None:
    content = session("4799999001", "Blåbær &amp; &lt;syltetøy&gt;").encode(encoding)
    await simulator.http.post("/sms/gateway", content=content, headers={"Content-Type": content_type})
    assert (await simulator.phone("4799999001"))[0]["text"] == "Blåbær & <syltetøy>"


async def test_character_references_are_the_same_text(simulator: Running) -> None:
    await simulator.send_sms("4799999001", "Bl&#229;b&#230;r &#8364;")
    assert (await simulator.phone("4799999001"))[0]["text"] == "Blåbær €"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not xml",
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><SESSION>&a;</SESSION>',
        b"\xff\xfe\xfd",
    ],
)
async def test_what_is_no_plain_xml_document_is_a_bad_request(simulator: Running, content: bytes) -> None:
    assert (await simulator.http.post("/sms/gateway", content=content, headers=XML)).status_code == 400


async def test_a_document_of_several_messages_is_answered_message_by_message(simulator: Running) -> None:
    messages = "".join(
        f"<MSG><ID>{number}</ID><TEXT>x</TEXT><SND>Altinn</SND><RCV>{receiver}</RCV></MSG>"
        for number, receiver in [(7, "4799999001"), (8, "4799999911"), (9, "4799999003")]
    )
    answer = await simulator.http.post("/sms/gateway", content=document(messages), headers=XML)
    found = [(m.findtext("ID"), m.findtext("STATUS")) for m in fromstring(answer.content).iterfind("MSGLST/MSG")]
    assert found == [("7", "OK"), ("8", "FAIL"), ("9", "OK")]


async def test_a_document_of_more_than_a_hundred_messages_is_refused(simulator: Running) -> None:
    message = "<MSG><ID>1</ID><TEXT>x</TEXT><SND>Altinn</SND><RCV>4799999001</RCV></MSG>"
    answer = await simulator.http.post("/sms/gateway", content=document(message * 101), headers=XML)
    assert fromstring(answer.content).findtext("LOGON") == "FAIL"


async def test_several_unavailable_messages_of_one_document_get_through_together(simulator: Running) -> None:
    messages = "".join(
        f"<MSG><ID>{number}</ID><TEXT>{number}</TEXT><SND>Altinn</SND><RCV>4799999913</RCV></MSG>" for number in (1, 2)
    )
    content = document(messages)
    posts = [await simulator.http.post("/sms/gateway", content=content, headers=XML) for _ in range(3)]
    assert [post.status_code for post in posts] == [503, 503, 200]


async def test_ucs2_in_hexadecimal_is_shown_as_text(simulator: Running) -> None:
    await simulator.send_sms("4799999001", "041f04400438043204350442", operation="9")
    (sms,) = await simulator.phone("4799999001")
    assert (sms["text"], sms["encoding"], sms["units"]) == ("Привет", "UCS-2", 6)


@pytest.mark.parametrize(("text", "operation"), [("04", "9"), ("xyz", "9"), ("06050415820000", "8")])
async def test_what_cannot_be_shown_as_text_is_refused(simulator: Running, text: str, operation: str) -> None:
    answer = await simulator.send_sms("4799999001", text, operation=operation)
    assert answer["STATUS"] == "FAIL"
    assert not answer["INFO"].startswith("Invalid RCV")


@pytest.mark.parametrize(
    ("sender", "shown"),
    [("Digitaliseringsdirektoratet", "Digitaliser"), ("Altinn", "Altinn"), ("123456789012345", "123456789012345")],
)
async def test_a_handset_shows_at_most_eleven_characters_of_a_name(simulator: Running, sender: str, shown: str) -> None:
    await simulator.send_sms("4799999001", sender=sender)
    assert (await simulator.phone("4799999001"))[0]["sender"] == shown


@pytest.mark.parametrize(("validity", "minutes"), [("2880", 2880), ("1", 1), ("0", None), ("", None)])
async def test_a_validity_of_zero_or_nothing_is_the_gateways_default(
    simulator: Running, validity: str, minutes: int | None
) -> None:
    await simulator.send_sms("4799999001", validity=validity)
    assert (await simulator.phone("4799999001"))[0]["timeToLiveMinutes"] == minutes


async def test_a_phone_shows_the_segments_a_handset_receives(simulator: Running) -> None:
    await simulator.send_sms("4799999001", "€" + 159 * "a")
    await simulator.send_sms("4799999001", 2145 * "a")
    newest, oldest = await simulator.phone("4799999001")
    assert (oldest["encoding"], oldest["units"], oldest["segments"], oldest["isCut"]) == ("GSM 7-bit", 161, 2, False)
    assert (newest["segments"], newest["isCut"]) == (16, True)
    assert len(newest["text"]) == 2145


@pytest.mark.parametrize("spelling", ["+4799999010", "4799999010", "004799999010", "%2B4799999010"])
async def test_a_phone_is_found_under_each_spelling_of_its_number(simulator: Running, spelling: str) -> None:
    await simulator.send_sms("4799999010")
    answer = (await simulator.http.get(f"/sim/phones/{spelling}/messages")).json()
    assert answer["number"] == "+4799999010"
    assert [sms["number"] for sms in answer["messages"]] == ["+4799999010"]


async def test_phones_are_listed_with_their_newest_messages(simulator: Running) -> None:
    for number in ("4799999001", "4799999003", "4799999001", "4799999001", "4799999001"):
        await simulator.send_sms(number)
    answer = (await simulator.http.get("/sim/phones")).json()
    found = [(phone["number"], phone["messageCount"], len(phone["newest"])) for phone in answer["phones"]]
    assert found == [("+4799999001", 4, 3), ("+4799999003", 1, 1)]
    searched = (await simulator.http.get("/sim/phones?search=9003")).json()
    assert [phone["number"] for phone in searched["phones"]] == ["+4799999003"]


async def test_a_number_on_the_allow_list_is_marked_as_one_that_would_be_reached(simulator: Running) -> None:
    await simulator.send_sms("4799999001")
    await simulator.send_sms("4799999003")
    await simulator.http.put("/sim/settings", json={"allowList": ["004799999001"]})
    assert [sms["isSimulated"] for sms in await simulator.phone("4799999001")] == [False]
    assert [sms["isSimulated"] for sms in await simulator.phone("4799999003")] == [True]


async def test_a_report_by_hand_is_sent_at_once_and_known_on_the_phone(simulator: Running) -> None:
    reference = (await simulator.send_sms("4799999909"))["REF"]
    url = f"/sim/phones/+4799999909/messages/{reference}/report"
    for state in ("DELIVRD", "BARREDA"):
        assert (await simulator.http.post(url, params={"state": state})).status_code == 202
    await eventually(lambda: len(simulator.service.sms_reports()) == 2)
    assert simulator.service.sms_reports() == [(reference, "DELIVRD"), (reference, "BARREDA")]


@pytest.mark.parametrize("query", ["", "?state=", "?state=a%20b", "?state=" + 41 * "X"])
async def test_a_report_by_hand_needs_a_state(simulator: Running, query: str) -> None:
    reference = (await simulator.send_sms("4799999909"))["REF"]
    answer = await simulator.http.post(f"/sim/phones/4799999909/messages/{reference}/report{query}")
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["state"]


async def test_a_report_by_hand_needs_a_message_on_that_phone(simulator: Running) -> None:
    reference = (await simulator.send_sms("4799999909"))["REF"]
    for number, name in [("4799999908", reference), ("4799999909", "unknown")]:
        answer = await simulator.http.post(f"/sim/phones/{number}/messages/{name}/report?state=DELIVRD")
        assert answer.status_code == 404


async def test_a_gateway_reference_leads_to_its_phone(simulator: Running) -> None:
    reference = (await simulator.send_sms("4799999001"))["REF"]
    answer = await simulator.http.get(f"/sim/sms/{reference}")
    assert (answer.status_code, answer.headers["location"]) == (307, f"/sim/phones/+4799999001/messages#{reference}")
    assert (await simulator.http.get("/sim/sms/unknown")).status_code == 404


@pytest.mark.parametrize(("fault", "status"), [({"mode": "error"}, 503), ({"mode": "error", "status": 504}, 504)])
async def test_a_fault_meets_as_many_calls_as_told(simulator: Running, fault: dict[str, object], status: int) -> None:
    await simulator.http.post("/sim/faults", json={"target": "sms", "count": 2, **fault})
    assert [await status_of(simulator, "4799999001") for _ in range(3)] == [status, status, 200]


async def test_garbage_is_a_success_that_makes_no_sense(simulator: Running) -> None:
    await simulator.http.post("/sim/faults", json={"target": "sms", "mode": "garbage"})
    answer = await simulator.http.post("/sms/gateway", content=session("4799999001"), headers=XML)
    assert answer.status_code == 200
    assert "SESSION" not in answer.text
    assert await simulator.phone("4799999001") == []


async def test_a_fault_may_be_silence(simulator: Running) -> None:
    await simulator.http.post("/sim/faults", json={"target": "sms", "mode": "timeout"})
    with pytest.raises(httpx.ReadTimeout):
        await simulator.http.post("/sms/gateway", content=session("4799999001"), headers=XML, timeout=0.1)
    assert await status_of(simulator, "4799999001") == 200
