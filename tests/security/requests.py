"""Strategies for requests: paths of the application's routes and away from them, bodies from its schemas and away."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from hypothesis import strategies as st

from crossbar_appstore.crossbar.cors import ALL_METHODS
from crossbar_appstore.json_codec import Json
from crossbar_appstore.package_data import load_schema
from tests.json_values import json_values
from tests.kit.apps import FIRST, ICON, SECOND

Strategy = st.SearchStrategy[Any]

IDS: Final = (
    "{master}", "{own}", "{child}", "{voip}", "{numbers}", "{user}", "{domain}", "{token}", "0" * 32, "0",
)  # fmt: skip
NOUNS: Final = (
    "about", "accounts", "account", "api_auth", "apps_link", "apps_store", "auth", "devices", "i18n", "schemas",
    "search", "token_auth", "user_auth", "users", "whitelabel", "webhooks",
)  # fmt: skip
WORDS: Final = (
    "api_key", "authorize", "blacklist", "children", "descendants", "icon", "logo", "marketplace", "multi", "override",
    "parents", "recovery", "reseller", "screenshot", "siblings", "tokeninfo", "tree", "welcome",
)  # fmt: skip
KNOWN: Final = (
    "accounts/{own}", "accounts/{own}/apps_store", "accounts/{own}/apps_store/{voip}", "accounts/{own}/children",
    "accounts/{own}/apps_store/{numbers}", "accounts/{own}/apps_store/blacklist", "accounts/{own}/descendants",
    "accounts/{own}/apps_store/{voip}/override", "accounts/{own}/apps_store/{voip}/override/icon",
    "accounts/{own}/apps_store/{voip}/override/screenshot", "accounts/{own}/apps_store/{voip}/screenshot/0",
    "accounts/{own}/i18n/de/apps_store/{voip}/override/icon", "accounts/{own}/users", "accounts/{own}/users/{user}",
    "accounts/{own}/users/{user}/user_auth", "user_auth", "api_auth", "auth/tokeninfo", "apps_store/marketplace",
    "user_auth/recovery", "whitelabel/{domain}", "accounts/{own}/api_key", "accounts/{own}/search",
    "accounts/{own}/search/multi", "search", "search/multi", "apps_link/authorize",
)  # fmt: skip
JUNK: Final = st.text(max_size=20).map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe="%"))
TOKENS: Final = st.one_of(st.sampled_from([*NOUNS, *WORDS, *IDS]), JUNK)
PATHS: Final = st.one_of(
    st.sampled_from(KNOWN),
    st.sampled_from(KNOWN),
    st.tuples(st.sampled_from(KNOWN), TOKENS).map("/".join),
    st.lists(TOKENS, max_size=8).map("/".join),
)
VERSIONS: Final = st.sampled_from(["/v2/"] * 20 + ["/v1/", "/v3/", "/", "//", "/hooks/", "/v2//", "/v%32/"])

METHODS: Final = st.sampled_from([*ALL_METHODS, "HEAD", "GET", "PUT", "POST", "POST", "LINK", "TRACE"])
CALLERS: Final = st.sampled_from(["admin", "admin", "admin", "master", "user", "none", "garbage"])

# Header values as HTTP allows them; anything else is for the tests of HTTP itself.
TEXT: Final = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x17FF, exclude_categories=["Cc", "Cs"]), max_size=40
)
VALUES: Final = st.one_of(
    TEXT,
    st.sampled_from([
        "application/json", "text/csv", "image/png", "*/*", "*", '"x"', 'W/"x"', "bytes=0-1", "bytes=5-2", "en-US",
        "gzip", "100-continue", "true", "identity;q=0", "multipart/form-data; boundary=x", "application/base64",
        "application/x-www-form-urlencoded", "image/svg+xml", "text/plain; charset=x", "a" * 2000,
    ]),
)  # fmt: skip
NAMES: Final = (
    "Accept", "Accept-Encoding", "Accept-Language", "Access-Control-Request-Headers", "Access-Control-Request-Method",
    "Authorization", "Content-Encoding", "Cookie", "Expect", "If-Match", "If-Modified-Since",
    "If-None-Match", "If-Range", "Origin", "Range", "X-Auth-Account-ID", "X-File-Name", "X-HTTP-Method-Override",
    "X-Pretty-Print", "X-Request-ID",
)  # fmt: skip
HEADERS: Final = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)

PARAMETERS: Final = st.one_of(
    st.sampled_from([
        "accept", "action", "ascending", "auth_token", "authorization", "created_from", "created_to", "descending",
        "filename", "file_name", "filter_name", "filter_not_realm", "filter_apps.x", "has_key", "has_value",
        "by_name", "by_number", "include_api_key", "internals", "jsonp", "key_missing", "modified_from", "page_size",
        "paginate", "pretty_print", "start_key", "t=account&q", "t=user&q=name&v", "t=user&q=number&v", "t", "token",
        "value_missing", "verb",
    ]),
    JUNK,
)  # fmt: skip
QUERIES: Final = st.just("") | st.lists(
    st.tuples(
        PARAMETERS,
        st.one_of(
            JUNK,
            st.sampled_from(["get", "delete", "true", "1", "-1", "0", "1e9", "9" * 20, "csv", "%", "[]", "{token}"]),
            json_values.map(lambda value: quote(json.dumps(value), safe="")[:300]),
        ),
    ).map("=".join),
    max_size=4,
).map(lambda pairs: "?" + "&".join(pairs) if pairs else "")  # fmt: skip


@st.composite
def near(draw: st.DrawFn, schema: Mapping[str, Any], depth: int = 4) -> Json:
    """A value that a schema allows, mostly: members may be missing, or be anything."""
    if draw(st.integers(0, 9)) == 0:
        return draw(json_values)
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    kinds = schema.get("type", "object")
    match draw(st.sampled_from(kinds)) if isinstance(kinds, list) else kinds:
        case "object" if depth and "properties" in schema:
            wanted = draw(st.lists(st.sampled_from(sorted(schema["properties"])), max_size=5))
            names = dict.fromkeys([*schema.get("required", ()), *wanted])
            return {name: draw(near(schema["properties"].get(name, {}), depth - 1)) for name in names}
        case "array":
            return (
                [draw(near(schema.get("items", {}), depth - 1)) for _ in range(draw(st.integers(0, 3)))]
                if depth
                else []
            )
        case "integer":
            return draw(st.integers(schema.get("minimum", -3), schema.get("maximum")))
        case "number":
            return draw(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
        case "boolean":
            return draw(st.booleans())
        case "string":
            return draw(st.text(min_size=schema.get("minLength", 0), max_size=max(30, schema.get("minLength", 0))))
    return draw(st.dictionaries(st.text(max_size=5), json_values, max_size=3))


SCHEMAS: Final = (
    *("accounts", "users", "app_permission", "app_whitelabel", "user_auth", "api_auth", "apps_store"),
    *("user_auth_recovery", "user_auth_recovery_reset"),
)
DATA: Final = st.one_of(
    *(near(load_schema(name)) for name in SCHEMAS),
    st.fixed_dictionaries({"blacklist": json_values}),
    st.fixed_dictionaries({"action": st.sampled_from(["impersonate_user", "enable", "x"]) | json_values}),
    st.fixed_dictionaries({"token": st.just("{token}") | st.text()}),
    json_values,
)
ENVELOPES: Final = st.one_of(
    st.fixed_dictionaries({"data": DATA}),
    st.fixed_dictionaries({"data": DATA}, optional={"verb": st.sampled_from(["get", "put", "post", "x", 5])}),
    st.fixed_dictionaries(
        {"data": DATA},
        optional=dict.fromkeys(("auth_token", "authorization", "jsonp", "accept", "start_key", "_id"), json_values),
    ),
    json_values,
)  # fmt: skip

KINDS: Final = ("application/json", "image/png", "image/gif", "application/base64", "text/x", "multipart/mixed")
CONTENTS: Final = (ICON.body, FIRST.body, SECOND.body, b"<svg onload=x>", b'{"data":{}}')
PARTS: Final = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(CONTENTS) | st.binary(max_size=50)), max_size=4
)


def multipart(parts: list[tuple[str, bytes]]) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: '
    return b"".join(head + kind.encode() + b"\r\n\r\n" + body + b"\r\n" for kind, body in parts) + b"--x--\r\n"


def _json(value: Json) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode("utf-8", "replace")


JSON_BODIES: Final = ENVELOPES.map(_json)
BODIES: Final = st.one_of(
    st.none(),
    JSON_BODIES,
    JSON_BODIES,
    JSON_BODIES,
    PARTS.map(lambda parts: ("multipart/form-data; boundary=x", multipart(parts))),
    st.sampled_from([ICON, FIRST, SECOND]).map(lambda picture: (picture.content_type, picture.body)),
    st.tuples(VALUES, st.binary(max_size=200)),
    st.tuples(st.sampled_from(["application/json", "application/x-www-form-urlencoded"]), st.binary(max_size=60)),
)
