"""KAZOO's two ways of merging JSON objects, and null as no value. Nothing changes its arguments."""

from crossbar_appstore.json_codec import Json, JsonObject


def without_nulls(value: Json) -> Json:
    """Returns the value without members that are null, at any depth; items of arrays stay.

    Clients write null for what they do not set, and ``kz_json:merge/2`` drops it.
    """
    if isinstance(value, dict):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def merge(left: JsonObject, right: JsonObject) -> JsonObject:
    """Merges deeply: ``kz_json:merge/2``.

    Values of ``right`` win, a ``null`` on either side removes its key, an empty object of ``right`` replaces, and
    arrays are replaced as a whole.

    Raises:
        RecursionError: nested too deeply; serialization fails at twice that depth.
    """
    merged: JsonObject = {}
    for key, value in {**left, **right}.items():
        if isinstance(value, dict):
            below = left.get(key)
            # Also a value of the left side only is merged, since its nulls go too.
            merged[key] = merge(below if isinstance(below, dict) and value else {}, value)
        elif value is not None:
            merged[key] = value
    return merged


def merge_recursive(left: JsonObject, right: JsonObject) -> JsonObject:
    """Sets the leaves of ``right`` into ``left`` one by one: ``kz_json:merge_recursive/2``.

    A leaf is any value but a non-empty object. A ``null`` leaf deletes its key, an empty object changes nothing, any
    other leaf replaces. An object replaces an empty array, and also a scalar or a non-empty array, where KAZOO crashes.
    """
    merged = dict(left)
    for key, value in right.items():
        if isinstance(value, dict):
            below = merged.get(key)
            if isinstance(below, dict):
                merged[key] = merge_recursive(below, value)
            # An object without leaves, such as {"a": {}}, sets nothing.
            elif leaves := merge_recursive({}, value):
                merged[key] = leaves
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged
