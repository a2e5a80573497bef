"""Filters of listings in the query string: ``filter_name=x``, ``has_key=y``, ``created_from=…`` (`crossbar_filter`)."""

from collections.abc import Callable, Mapping

from crossbar_appstore.json_codec import Json, JsonObject, loads
from crossbar_appstore.kazoo.documents import public_fields
from crossbar_appstore.kazoo.values import MISSING, Missing, as_integer, as_text, get, is_empty

Filter = Callable[[JsonObject], bool]
"""Whether a stored document belongs to the listing."""


def filters_of(query: Mapping[str, str]) -> tuple[Filter, ...]:
    """The filters among the parameters of a request; other parameters are nobody's business here.

    Private fields cannot be filtered by, so that nobody can guess at what is in them; except the two times.
    """
    found = (_filter(name, value) for name, value in query.items())
    return tuple(each for each in found if each is not None)


def _filter(name: str, value: str) -> Filter | None:
    for prefix, wanted in (("filter_not_", False), ("filter_", True)):
        if name.startswith(prefix):
            key = name.removeprefix(prefix)
            return lambda document: _equals(_public(document, key), value) is wanted
    match name:
        case "has_key" | "key_missing":
            return lambda document: (_public(document, value) is not MISSING) is (name == "has_key")
        case "has_value" | "value_missing":
            return lambda document: is_empty(_public(document, value)) is (name == "value_missing")
        case "created_from" | "created_to" | "modified_from" | "modified_to":
            return _time_filter(name, value)
    return None


def _time_filter(name: str, value: str) -> Filter:
    field, _, end = name.partition("_")
    bound = as_integer(value)

    def is_within(document: JsonObject) -> bool:
        moment = as_integer(document.get(f"pvt_{field}"))
        if bound is None or moment is None:
            # As Erlang compares: what is no number comes after every number.
            return bound is not None and end == "from"
        return moment >= bound if end == "from" else moment <= bound

    return is_within


def _public(document: JsonObject, path: str) -> Json | Missing:
    return get(public_fields(document), *path.split("."))


def _equals(value: Json | Missing, wanted: str) -> bool:
    text = as_text(value) or ""
    if text == wanted:
        return True
    try:
        listed = loads(wanted)
    except ValueError:
        return False
    return text in listed if isinstance(listed, list) else text == listed
