"""KAZOO's two ways of merging JSON objects. Neither changes what it is given."""

from crossbar_appstore.json_codec import Json, JsonObject


def merge(left: JsonObject, right: JsonObject) -> JsonObject:
    """Both objects in one, deep: ``kz_json:merge/2``.

    The right wins; a ``null`` on either side removes its key; an empty object on the right replaces; arrays are
    replaced, and what is inside them is left alone.
    """
    merged: JsonObject = {}
    for key, value in left.items():
        if key not in right:
            _put(merged, key, value)
            continue
        other = right[key]
        if isinstance(value, dict) and isinstance(other, dict) and other:
            merged[key] = merge(value, other)
        else:
            _put(merged, key, other)
    for key, value in right.items():
        if key not in left:
            _put(merged, key, value)
    return merged


def without_nulls(value: JsonObject) -> JsonObject:
    """The object without its ``null`` members, deep but not inside arrays."""
    kept: JsonObject = {}
    for key, member in value.items():
        _put(kept, key, member)
    return kept


def _put(target: JsonObject, key: str, value: Json) -> None:
    if value is not None:
        target[key] = without_nulls(value) if isinstance(value, dict) else value


def merge_recursive(left: JsonObject, right: JsonObject) -> JsonObject:
    """The leaves of the right set into the left one by one: ``kz_json:merge_recursive/2``.

    A leaf is anything but a non-empty object. A ``null`` leaf deletes, an empty object does nothing; an array or
    scalar replaces. Objects replace empty arrays; where KAZOO crashes, setting a leaf below a scalar or below an
    array that holds something, the object replaces that too.
    """
    merged = dict(left)
    for key, value in right.items():
        if isinstance(value, dict):
            _merge_object(merged, key, value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def _merge_object(target: JsonObject, key: str, value: JsonObject) -> None:
    below = target.get(key)
    if isinstance(below, dict):
        target[key] = merge_recursive(below, value)
        return
    leaves = merge_recursive({}, value)
    if leaves:
        target[key] = leaves
