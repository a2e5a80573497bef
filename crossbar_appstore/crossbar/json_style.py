"""JSON for people and for script elements: indented as KAZOO does it, and wrapped as JSONP."""

import re
from typing import Final

from crossbar_appstore.crossbar.context import PLAIN, Context, Style
from crossbar_appstore.crossbar.errors import Refusal
from crossbar_appstore.json_codec import Json, dumps, loads

_CALLBACK: Final = re.compile(r"[A-Za-z0-9_$.]+(?:\[[0-9]+\][A-Za-z0-9_$.]*)*\Z")
_LONGEST_CALLBACK: Final = 256
_INDENT: Final = "  "


def style_of(context: Context) -> Style:
    """What the request asked for in ``jsonp``, X-Pretty-Print and ``pretty_print``; the header wins.

    Raises:
        Refusal: 400, the callback is no name that may be echoed.
    """
    wish = context.headers.get("X-Pretty-Print")
    if wish is None:
        wish = context.req_value("pretty_print")
    pretty = wish is True or wish == "true"
    callback = context.req_value("jsonp")
    if callback is None:
        return Style(pretty) if pretty else PLAIN
    if not isinstance(callback, str) or len(callback) > _LONGEST_CALLBACK or not _CALLBACK.match(callback):
        raise Refusal(400, "jsonp callback is not a name")
    return Style(pretty, callback)


def dress(body: bytes, style: Style) -> bytes:
    """The JSON text ``body`` in the given style."""
    if style.pretty:
        body = indented(loads(body)).encode()
    if style.callback is None:
        return body
    return b"%s(%s);" % (style.callback.encode(), body)


def indented(value: Json, depth: int = 0) -> str:
    """JSON as jiffy indents it: ``"key" : value``, and a blank indented line in what is empty."""
    if not isinstance(value, dict | list):
        return dumps(value).decode()
    inner, outer = f"\n{_INDENT * (depth + 1)}", f"\n{_INDENT * depth}"
    if isinstance(value, dict):
        members = [f"{dumps(key).decode()} : {indented(member, depth + 1)}" for key, member in value.items()]
        return f"{{{inner}{f',{inner}'.join(members)}{outer}}}"
    items = [indented(item, depth + 1) for item in value]
    return f"[{inner}{f',{inner}'.join(items)}{outer}]"
