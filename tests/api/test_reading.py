"""How bodies are read: JSON, its types, and the place that a problem is reported at (spec 01, 3.2, 3.3, 5 and 6.3)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altinn_notifications.api import json_tree
from altinn_notifications.api.json_tree import Fractional, Integer, _Scanner, parse
from altinn_notifications.api.order_requests import OrderRequest
from altinn_notifications.api.problems import Problem
from altinn_notifications.api.reading import read, text_faults
from altinn_notifications.orders.model import ContentType, SendingTimePolicy
from support.contracts import Leaf, Tree

BODY = "theRequest"


def tree(body: str | bytes) -> Tree:
    return read(Tree, body.encode() if isinstance(body, str) else body, parameter=BODY)


def errors(body: str | bytes, model: type[Tree | OrderRequest] = Tree) -> list[str]:
    with pytest.raises(Problem) as refused:
        read(model, body.encode() if isinstance(body, str) else body, parameter=BODY)
    assert refused.value.status == 400
    assert refused.value.body is not None
    return list(refused.value.body["errors"])


def the_problem(body: str | bytes) -> str:
    """The path of the layer 1 problem; the parameter must be named beside it."""
    path, parameter = errors(body)
    assert parameter == BODY
    return path


@pytest.mark.parametrize("body", ["", "null", " null\n", "\ufeffnull"])
def test_a_body_that_is_not_there_is_reported_under_the_empty_key(body: str) -> None:
    assert the_problem(body) == ""


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (" ", "$"),
        ("{", "$"),
        ("[]", "$"),
        ('"x"', "$"),
        ("5", "$"),
        ("nul", "$"),
        ("{}{}", "$"),
        ("{} x", "$"),
        ("null x", "$"),
        ("{'text': 'x'}", "$"),
        ('{"text": "x",}', "$"),
        ('{"text": "x" "title": "y"}', "$"),
        ('{"text" "x"}', "$"),
        ('{// comment\n"text": "x"}', "$"),
        ('{"text": "x', "$.text"),
        ('{"text": "a\nb"}', "$.text"),
        ('{"text": tru}', "$.text"),
        ('{"number": 01}', "$"),
        ('{"number": NaN}', "$.number"),
        ('{"number": -Infinity}', "$.number"),
        ('{"leaf": {"name": "x"', "$.leaf"),
        ('{"leaf": {"name": ', "$.leaf.name"),
        ('{"leaves": [{"name": "a"}, {"name"', "$.leaves[1]"),
        ('{"leaves": [{"name": "a"},]', "$.leaves[1]"),
        ('{"leaves": [', "$.leaves[0]"),
        ('{"leaves": [null', "$.leaves"),
        ('{"unknown": {"a": [1, {"b": x}]}}', "$.unknown.a[1].b"),
    ],
)
def test_text_that_is_not_json_is_reported_where_it_breaks(body: str, path: str) -> None:
    assert the_problem(body) == path


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"number": 1.5, "text": ', "$.number"),
        ('{"text": 5} x', "$.text"),
        ('{"leaf": {}, "text": 5}', "$.leaf"),
        ('{"text": 5, "text": "x"}', "$.text"),
        ('{"leaf": {"note": 1}, "number": x}', "$.leaf.note"),
        ('{"leaves": [{"name": "a"}, {}, x]}', "$.leaves[1]"),
        ('{"leaf": {"note": 1', "$.leaf.note"),
    ],
)
def test_the_first_problem_in_the_text_is_the_one_reported(body: str, path: str) -> None:
    assert the_problem(body) == path


@pytest.mark.parametrize("name", ["text", "title", "link", "leaf", "leaves", "moment", "content", "flag", "number"])
def test_a_value_of_another_type_is_reported_under_its_path(name: str) -> None:
    wrong = {"text": "5", "title": "true", "link": "{}", "leaf": '"x"', "leaves": "{}", "moment": "5", "flag": "1"}
    assert the_problem(f'{{"{name}": {wrong.get(name, "[]")}}}') == f"$.{name}"


@pytest.mark.parametrize("name", ["flag", "count", "content", "policy", "strictMoment"])
def test_null_is_no_value_of_what_is_not_nullable(name: str) -> None:
    assert the_problem(f'{{"{name}": null}}') == f"$.{name}"


def test_null_is_the_same_as_absent_where_it_is_allowed() -> None:
    nothing = '{"text": null, "number": null, "wish": null, "maybeContent": null, "moment": null, "leaves": null}'
    assert tree(nothing) == Tree()


def test_null_for_what_must_hold_something_is_a_lack_of_the_second_layer() -> None:
    body = (
        '{"title": null, "mustLeaf": null, "mustLeaves": null, "leaves": [null, {"name": null}], "leaf": {"name": " "}}'
    )
    assert set(errors(body)) == {"Title", "MustLeaf", "MustLeaves", "Leaves[1].Name", "Child.Name"}


def test_an_empty_text_is_enough_where_only_null_is_refused() -> None:
    assert tree('{"title": ""}').title == ""


def test_names_are_read_in_any_case_and_reported_as_spelled() -> None:
    assert tree('{"TEXT": "x", "maybecontent": 1}') == Tree(text="x", maybe_content=ContentType.HTML)
    assert the_problem('{"LEAVES": [{"NAME": 5}]}') == "$.LEAVES[0].NAME"


def test_the_last_of_repeated_members_wins() -> None:
    assert tree('{"text": "x", "TEXT": "y", "leaf": {"name": "a"}, "leaf": null}') == Tree(text="y")


def test_unknown_members_are_ignored_at_every_level() -> None:
    assert tree('{"x": [{"y": 1e5}], "leaf": {"name": "a", "z": {}}}') == Tree(leaf=Leaf(name="a"))


@pytest.mark.parametrize(
    "body",
    [b'{"leaf": {"name": "\\ud800"}}', b'{"leaf": {"name": "a\xffb"}}', b'{"leaf": {"name": "\xed\xa0\x80"}}'],
)
def test_what_is_not_unicode_is_reported_under_the_path_of_its_value(body: bytes) -> None:
    assert the_problem(body) == "$.leaf.name"


def test_a_pair_of_escaped_surrogates_is_one_character() -> None:
    assert tree(r'{"text": "\ud83d\ude00"}').text == "😀"


def test_a_path_with_half_a_character_can_be_told() -> None:
    assert the_problem(r'{"\ud800": x}') == "$.?"
    assert len(the_problem('{"' + "n" * 5000 + '": x}')) == 1000


def test_thirty_two_levels_are_read_and_no_more() -> None:
    assert tree('{"x": ' + "[" * 31 + "]" * 31 + "}") == Tree()
    assert the_problem('{"x": ' + "[" * 32 + "]" * 32 + "}").startswith("$.x[0]")
    assert the_problem('{"x": ' + "[" * 200_000).startswith("$.x[0]")
    assert the_problem('{"x": ' + '{"y":' * 32 + "1" + "}" * 33).startswith("$.x.y")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        ('"7"', 7),
        ("-3", -3),
        ('"+7"', 7),
        ('"007"', 7),
        ("2147483647", 2**31 - 1),
        ('"-2147483648"', -(2**31)),
    ],
)
def test_an_integer_may_stand_in_a_string(text: str, number: int) -> None:
    assert tree(f'{{"number": {text}}}').number == number


@pytest.mark.parametrize(
    "text",
    [
        *("7.5", "7.0", "1e1", '"7.0"', '"1e1"', '""', '"abc"', '" 7"', '"7 "', "true", '"\u0667"'),
        *("2147483648", '"-2147483649"', "9" * 5000, f'"{"9" * 5000}"'),
    ],
)
def test_what_is_no_integer_of_32_bits_is_refused(text: str) -> None:
    assert the_problem(f'{{"number": {text}}}') == "$.number"


@pytest.mark.parametrize("text", ['"Html"', '"html"', '"HTML"', '" Html "', "1", '"1"', '" 1 "'])
def test_a_member_of_an_enumeration_is_read_by_name_or_number(text: str) -> None:
    assert tree(f'{{"content": {text}}}').content is ContentType.HTML


@pytest.mark.parametrize(("text", "number"), [("99", 99), ('"99"', 99), ("-1", -1)])
def test_a_number_without_member_is_left_to_the_rules(text: str, number: int) -> None:
    assert tree(f'{{"content": {text}}}').content == number


@pytest.mark.parametrize("text", ['"Htmlx"', '""', "true", '"Plain,Html"', "1.0", "2147483648", "[]"])
def test_what_is_no_member_of_an_enumeration_is_refused(text: str) -> None:
    assert the_problem(f'{{"content": {text}}}') == "$.content"


def test_an_unsigned_enumeration_takes_no_negative_number() -> None:
    assert the_problem('{"policy": -1}') == "$.policy"
    assert tree('{"policy": 4294967295}').policy == 4294967295
    assert tree('{"policy": "daytime"}').policy is SendingTimePolicy.DAYTIME


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02T12:00:00Z", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("2026-03-02T12:00Z", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("2026-03-02T12:00:00+02:00", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02T12:00:00-02", datetime(2026, 3, 2, 14, tzinfo=UTC)),
        ("2026-03-02T12:00:00.1Z", datetime(2026, 3, 2, 12, 0, 0, 100_000, tzinfo=UTC)),
        ("2026-03-02T12:00:00.1234567890123456Z", datetime(2026, 3, 2, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-03-02T12:00:00", datetime(2026, 3, 2, 12)),  # noqa: DTZ001 - no zone was stated
        ("2026-03-02", datetime(2026, 3, 2)),  # noqa: DTZ001 - no zone was stated
        ("0001-01-01T14:00:00+14:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.9999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_moments_are_read_in_iso_8601(text: str, moment: datetime) -> None:
    read_moment = tree(f'{{"moment": "{text}"}}').moment
    assert read_moment == moment
    assert read_moment is not None
    assert read_moment.tzinfo == moment.tzinfo


@pytest.mark.parametrize(
    "text",
    [
        "2035-01-01 10:00:00Z",
        "2035-01-01t10:00:00Z",
        "2035-01-01T10:00:00z",
        "2035-01-01T10:00:00+0200",
        "2035-01-01T10:00:00+02:60",
        "2035-01-01T10:00:00+14:01",
        "2035-01-01T24:00:00Z",
        "2035-01-01T10:00:60Z",
        "2035-01-01T10:00:00.Z",
        "2035-01-01T10:00:00.12345678901234567Z",
        "2035-01-01T10Z",
        "2035-01-01Z",
        "2035-2-1",
        "2035-02-30",
        "0000-01-01",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        " 2035-01-01",
        "1767225600",
        "",
        "\uff12035-01-01",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    assert the_problem(f'{{"moment": "{text}"}}') == "$.moment"


@pytest.mark.parametrize("text", ["", "api/x", "/x", "urn:isbn:0", "https://a.no/{id} x", "//a.no", "http://a.no:80"])
def test_nearly_every_string_is_a_uri_reference(text: str) -> None:
    assert tree(json.dumps({"link": text})).link == text


@pytest.mark.parametrize("text", ["http://", "https://:80/x", "http://a.no:65536", "http://a..no/", "http://[::g]/"])
def test_a_web_address_without_a_proper_host_is_no_uri_reference(text: str) -> None:
    assert the_problem(json.dumps({"link": text})) == "$.link"


def test_the_character_nul_is_reported_with_the_rules() -> None:
    leaves = rb'"leaf": {"name": "\u0000"}, "leaves": [{"name": "b"}, {"name": "\u0000"}]'
    body = rb'{"text": "a\u0000b", "link": "x\u0000", ' + leaves + b"}"
    faults = text_faults(tree(body), body)
    assert set(faults) == {"Text", "Link", "Child.Name", "Leaves[1].Name"}


def test_missing_members_are_named_together_and_inner_before_outer() -> None:
    assert errors("{}", OrderRequest) == ["$", BODY]
    inner = '{"recipient": {"recipientEmail": {"emailAddress": "a@b.no"}}}'
    assert errors(inner, OrderRequest) == ["$.recipient.recipientEmail", BODY]
    with pytest.raises(Problem) as refused:
        read(OrderRequest, b"{}", parameter=BODY)
    assert refused.value.body is not None
    (message,) = refused.value.body["errors"]["$"]
    assert "idempotencyId, recipient" in message


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def is_read_or_refused(body: bytes) -> bool:
    try:
        tree(body)
    except Problem as problem:
        return problem.status == 400
    return True


def plain(value: json_tree.Json) -> Any:
    """A tree as `json` would have made it."""
    if isinstance(value, Integer):
        return int(value)
    if isinstance(value, Fractional):
        return float(value)
    if isinstance(value, tuple):
        return {name: plain(item) for name, item in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


@given(JSON_VALUES)
def test_json_is_read_alike_by_both_readers(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert plain(parse(text.encode("utf-8", "surrogatepass")).root) == value or "\\u" in ascii(text)
    assert _Scanner(text).document() == json_tree.Document(json_tree._DECODER.decode(text))


@given(JSON_VALUES, st.integers(min_value=0), st.binary(max_size=3))
def test_no_damage_to_a_text_is_worse_than_a_refusal(value: Any, position: int, damage: bytes) -> None:
    body = json.dumps({"leaf": value, "leaves": [value], "text": value}).encode()
    place = position % (len(body) + 1)
    assert is_read_or_refused(body[:place] + damage + body[place + 1 :])


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    assert is_read_or_refused(body)
