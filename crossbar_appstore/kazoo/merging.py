"""KAZOO's two ways of merging JSON objects. Neither changes its arguments."""

from crossbar_appstore.json_codec import Json, JsonObject


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
            merged[key] = _over(left.get(key), value)
        elif value is not None:
            merged[key] = value
    return merged


def _over(left: Json, right: JsonObject) -> JsonObject:
    return merge(left if isinstance(left, dict) and right else {}, right)


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
            elif leaves := merge_recursive({}, value):
                merged[key] = leaves
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged
