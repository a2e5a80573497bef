import pytest
from crossbar_appstore.datastore.packing import pack, unpack
from hypothesis import given

from crossbar_appstore.json_codec import Json, JsonObject, dumps
from crossbar_appstore.kazoo.accounts import (
    Place,
    account_document,
    new_apps_store,
    services_document,
    user_document,
)
from crossbar_appstore.kazoo.ids import new_id
from tests.json_values import json_values

_PLACE = Place((new_id(),), new_id())
_FIELDS = {"name": "Example", "realm": "example.com"}


@pytest.mark.parametrize("value", [{}, [], [[]], {"_id": "\0"}, {"text": "ü" * 40_000}, {"text": "x" * 65_600}])
def test_a_value_is_the_same_after_packing(value: Json) -> None:
    assert unpack(pack(value)) == value


def _nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "number", [2**63, 2**64, -(2**63) - 1, 10**40, -0.0, 1.0, 1e22, 5e-324, 1.7976931348623157e308]
)
def test_numbers_keep_their_values_and_kinds(number: float) -> None:
    assert repr(unpack(pack({"n": number}))) == repr({"n": number})


def test_what_is_nested_deeply_is_the_same_after_packing() -> None:
    assert unpack(pack(_nested(400))) == _nested(400)


@given(json_values)
def test_any_value_is_the_same_after_packing(value: Json) -> None:
    assert repr(unpack(pack([value]))) == repr([value])


@pytest.mark.parametrize(
    "document",
    [
        account_document(new_id(), _FIELDS, _PLACE),
        services_document(new_id(), _PLACE),
        new_apps_store(new_id()),
        user_document(new_id(), new_id(), {"first_name": "A"}, username="a", password="b"),
    ],
    ids=["account", "services", "apps_store", "user"],
)
def test_a_document_of_an_account_takes_half_of_its_json_at_most(document: JsonObject) -> None:
    assert len(pack(document)) < len(dumps(document)) / 2


def test_what_is_large_is_not_compressed() -> None:
    assert pack({"text": "x" * 70_000}) == dumps({"text": "x" * 70_000})
