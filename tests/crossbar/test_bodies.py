"""Request bodies of every kind, over HTTP or with the parser alone."""

import base64
import json

import pytest

from crossbar_appstore.crossbar.body import (
    ANONYMOUS_BODY,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_JSON,
    MAX_MEMBERS,
    MAX_PARTS,
    Body,
    parse_body,
    split_parts,
)
from crossbar_appstore.crossbar.errors import MAX_SHOWN, CrossbarError, Refusal
from crossbar_appstore.json_codec import Json, JsonObject
from tests.crossbar.sample import FIRST, LIST, MINE, NEW, Notes
from tests.crossbar.wire import Wire

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XX"
EVERY_BYTE = bytes(range(256))
TROUBLESOME = [
    EVERY_BYTE * 3,
    b"\r\n",
    b"\n",
    b"\r",
    b"",
    b"x--XX",
    b"\r\n--X",
    b"\r\n--XXY",
    b"\r\n\r\n",
    b"\r\n--XX-x",
]


def is_required(value: Json) -> Json:
    return {"required": {"message": "Field is required but missing", "value": value}}


def is_of_another_type(value: Json) -> Json:
    target = "object, array"
    return {"type": {"message": f"Value did not match type(s): {target}", "target": target, "value": value}}


def refused(content_type: str | None, raw: bytes) -> CrossbarError:
    with pytest.raises(CrossbarError) as error:
        parse_body(content_type, raw)
    return error.value


def multipart(*parts: tuple[str, bytes], end: bytes = b"--XX--\r\n") -> bytes:
    return b"".join(b"--XX\r\n" + head.encode() + b"\r\n" + body + b"\r\n" for head, body in parts) + end


JSON_PART = ('Content-Disposition: form-data; name="j"\r\nContent-Type: application/json\r\n', b'{"data":{"m":1}}')
FILE_PART = ('Content-Disposition: form-data; name="f"; filename="a b.png"\r\nContent-Type: image/png\r\n', EVERY_BYTE)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"{}", {"data": is_required({})}),
        (b'{"data":null}', {"data": is_required({})}),
        (b'{"X-y":1}', {"data": is_required({"x_y": 1})}),
    ],
)
async def test_body_without_data_is_refused(ask: Wire, body: bytes, data: Json) -> None:
    for method in ("GET", "PUT", "POST", "DELETE"):
        answer = await ask(method, FIRST, {**MINE, "Content-Type": "application/json"}, body)
        assert (answer.status, answer.json["message"], answer.data) == (400, "validation error", data)


@pytest.mark.parametrize("value", ["x", 5, 5.5, True, False, ""])
async def test_body_data_of_other_type_is_refused(ask: Wire, value: Json) -> None:
    answer = await ask("PUT", NEW, MINE, {"data": value})
    assert (answer.status, answer.data) == (400, {"data": is_of_another_type(value)})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{a}",
        b'{"data":{}',
        b'{"data":{}}x',
        b"nope",
        b'{"data":{},}',
        b'{"data":nul}',
        b"  ",
        b'{"data":"\xe9"}',
        b'{"data":{"a":"\x01"}}',
        b'{"data":{"a":"\\ud800"}}',
        b"\xef\xbb\xbf{}",
        b'{"data":NaN}',
        b'{"data":[01]}',
    ],
)
async def test_body_that_is_no_json_is_refused(ask: Wire, body: bytes) -> None:
    answer = await ask("PUT", NEW, {**MINE, "Content-Type": "application/json"}, body)
    invalid = answer.data["json"]["invalid"]
    assert (answer.status, invalid["target"]) == (400, "body")
    assert invalid["message"].startswith("invalid_json around ")


@pytest.mark.parametrize("body", [b"[]", b"[1]", b'"s"', b"1", b"null", b"true"])
async def test_body_that_is_no_json_object_is_refused(ask: Wire, body: bytes) -> None:
    answer = await ask("PUT", NEW, {**MINE, "Content-Type": "application/json"}, body)
    assert answer.data == {"json": {"invalid": {"message": "All JSON must be valid", "target": "body"}}}


@pytest.mark.parametrize("content_type", [None, "application/json", "application/x-json"])
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_body_empty_means_empty_data(ask: Wire, method: str, content_type: str | None) -> None:
    headers = dict(MINE) if content_type is None else {**MINE, "Content-Type": content_type}
    path = NEW if method == "PUT" else FIRST
    assert (await ask(method, path, headers)).status in (200, 201)
    assert (await ask(method, f"{path}2" if method == "PUT" else FIRST, headers, b"")).status in (200, 201, 404)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/x-json",
        "application/json; charset=utf-8",
        'application/json;charset="utf-8" ; a=b',
        "application/json;",
        None,
    ],
)
async def test_content_type_json_is_accepted(ask: Wire, content_type: str | None) -> None:
    headers = dict(MINE) if content_type is None else {**MINE, "Content-Type": content_type}
    answer = await ask("PUT", NEW, headers, b'{"data":{"x":1}}')
    assert (answer.status, answer.data) == (201, {"x": 1, "id": "new"})


@pytest.mark.parametrize(
    "content_type",
    [
        "json",
        "",
        "/",
        "application/",
        "application/json charset",
        "a/b;c",
        "a/b; c=",
        'a/b; c="',
        "a b/c",
        "é/x",
        "a/b;" * 9,
    ],
)
async def test_content_type_malformed_is_refused(ask: Wire, content_type: str) -> None:
    answer = await ask("PUT", NEW, {**MINE, "Content-Type": content_type}, b'{"data":{}}')
    assert (answer.status, answer.data) == (400, {"message": "malformed content-type header"})


def test_content_type_is_parsed_without_backtracking() -> None:
    assert refused("a/b" + "; \t " * 2000 + "!", b"").code == 400
    assert refused("a/b" + ';x="' * 2001, b"").code == 400


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/csv",
        "application/octet-stream",
        "application/xml",
        "application/vnd.api+json",
        "image/png",
        "text/comma-separated-values",
        "application/base64",
    ],
)
async def test_body_of_other_type_is_refused_for_writes(ask: Wire, notes: Notes, content_type: str) -> None:
    for method, path in (("PUT", NEW), ("POST", FIRST)):
        answer = await ask(method, path, {**MINE, "Content-Type": content_type}, b'{"data":{"x":1}}'.hex().encode())
        assert (answer.status, notes.executed) == (415, [])


async def test_body_of_other_type_is_accepted_for_reads(ask: Wire) -> None:
    for method in ("GET", "DELETE"):
        assert (await ask(method, FIRST, {**MINE, "Content-Type": "text/plain"}, b"{")).status == 200


def test_parse_body_normalises_envelope_keys_only() -> None:
    body = parse_body(None, b'{"Data":{"X-y":1},"Auth-Token":"zz","n":null}')
    assert body.envelope == {"data": {"X-y": 1}, "auth_token": "zz"}
    assert body.data == {"X-y": 1}


def test_parse_body_keeps_last_of_duplicate_keys() -> None:
    assert parse_body(None, b'{"data":{"a":1},"DATA":{"a":2}}').data == {"a": 2}
    assert parse_body(None, b'{"data":{"a":1},"DATA":null}').data == {"a": 1}


def test_parse_body_removes_start_key() -> None:
    body = parse_body(None, b'{"data":{"start_key":"x","page_size":3},"start_key":"y"}')
    assert body.data == {"page_size": 3}
    assert set(body.envelope) == {"data"}


@pytest.mark.parametrize(
    "value", [2**64, -(2**70), 10**400, 0.1, -0.0, 1e300, "\x00\u2028é😀", "", [], {}, None, [[{}]], {"ä": "ö"}]
)
async def test_body_values_survive_round_trip(ask: Wire, notes: Notes, value: Json) -> None:
    answer = await ask("PUT", NEW, MINE, {"data": {"value": value}})
    assert answer.data["value"] == value == notes.notes["new"]["value"]
    assert (await ask("GET", NEW, MINE)).data["value"] == value


@pytest.mark.parametrize("opening", ["[", '{"a":'])
async def test_body_nested_too_deeply_is_refused(ask: Wire, opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]

    def nested(depth: int) -> bytes:
        return f'{{"data":{opening * depth}{"1" if opening != "[" else ""}{closing * depth}}}'.encode()

    json_type = {**MINE, "Content-Type": "application/json"}
    assert (await ask("PUT", NEW, json_type, nested(MAX_DEPTH - 1))).status == 201
    for depth in (MAX_DEPTH, MAX_DEPTH + 1, 1000, 100_000):
        answer = await ask("PUT", NEW, json_type, nested(depth))
        assert (answer.status, list(answer.data)) == (400, ["json"])


def members_of(kind: str, members: int) -> Json:
    """An envelope with so many members in all, those of the envelope and of its data included."""
    rest = members - 2
    match kind:
        case "list":
            return {"data": {"x": [0] * rest}}
        case "lists":
            return {"data": {"x": [[]] * rest}}
        case "texts":
            return {"data": {"x": [",[{"] * rest}}
        case "object":
            return {"data": {"x": {f",{key}": ["1"] for key in range(rest // 2)}}}
        case _:
            return {"data": {"x": [[[[0]]] for _ in range(rest // 4)] + [0] * (rest % 4)}}


@pytest.mark.parametrize("kind", ["list", "lists", "texts", "object", "nested"])
@pytest.mark.parametrize("content_type", [None, FORM, MULTIPART])
def test_parse_body_refuses_too_many_members(kind: str, content_type: str | None) -> None:
    def body(members: int) -> bytes:
        raw = json.dumps(members_of(kind, members)).encode()
        return multipart(("", raw)) if content_type == MULTIPART else raw

    assert parse_body(content_type, body(MAX_MEMBERS)).data
    problem = {"json": {"invalid": {"message": f"more than {MAX_MEMBERS} members", "target": "body"}}}
    for members in (MAX_MEMBERS + 2, 5 * MAX_MEMBERS):
        assert refused(content_type, body(members)).data == problem


def test_parse_body_counts_members_of_all_parts() -> None:
    part = ("", json.dumps(members_of("list", MAX_MEMBERS // 2)).encode())
    assert parse_body(MULTIPART, multipart(part)).data
    assert "json" in refused(MULTIPART, multipart(*[part] * 10)).data


def test_parse_body_refuses_too_long_integers() -> None:
    assert parse_body(None, b'{"data":[-%b]}' % (b"9" * MAX_DIGITS)).data == [-(10**MAX_DIGITS - 1)]
    assert "json" in refused(None, b'{"data":[%b]}' % (b"9" * (MAX_DIGITS + 2))).data
    assert "json" in refused(None, b'{"data":[%b]}' % (b"9" * 100_000)).data


def test_parse_body_limits_json_of_parts() -> None:
    part = ("", b'{"data":{"x":"' + b"a" * (MAX_JSON // 2) + b'"}}')
    assert parse_body(MULTIPART, multipart(part)).data
    assert refused(MULTIPART, multipart(part, FILE_PART, part)).code == 413


def test_parse_body_form_over_anonymous_maximum_is_json() -> None:
    assert "data" in refused(FORM, b"a=" + b"x" * (ANONYMOUS_BODY - 2)).data
    assert "json" in refused(FORM, b"a=" + b"x" * ANONYMOUS_BODY).data


@pytest.mark.parametrize("head", ["a: b\r\n" * 17, f"a: {'x' * 5_000}\r\n"])
def test_parse_body_multipart_with_long_head_is_refused(head: str) -> None:
    assert refused(MULTIPART, multipart((head, b"{}"))).data == {"message": "malformed multipart body"}


def test_parse_body_multipart_of_lines_like_the_boundary_is_refused() -> None:
    assert parse_body(MULTIPART, multipart(("Content-Type: image/png\r\n", b"\r\n--XXa" * 900))).files
    assert refused(MULTIPART, multipart(("Content-Type: image/png\r\n", b"\r\n--XXa" * 2_000))).code == 400


@pytest.mark.parametrize(
    ("value", "as_shown"),
    [
        ("a" * MAX_SHOWN, "a" * MAX_SHOWN),
        ("a" * (MAX_SHOWN + 1), "a" * (MAX_SHOWN - 3) + "…"),
        ("é" * MAX_SHOWN, "é" * ((MAX_SHOWN - 3) // 2) + "…"),
        (10**500, 10**500),
        ("a" * 300_000, "a" * (MAX_SHOWN - 3) + "…"),
        (1.5, 1.5),
        (True, True),
    ],
)
async def test_error_shows_a_kilobyte_of_a_value(ask: Wire, value: Json, as_shown: Json) -> None:
    answer = await ask("PUT", NEW, MINE, {"data": value})
    assert answer.data == {"data": {**is_of_another_type(as_shown)}}


@pytest.mark.parametrize(
    ("envelope", "as_shown"),
    [
        ({"x": [0] * 500}, {"x": [0] * 500}),
        ({"x": [0] * 2_000, "y": 1}, "2 members"),
        ({"x": "a" * MAX_SHOWN}, "1 members"),
        ({"x": "é" * 600}, "1 members"),
        ({"x": [10**500] * 5}, "1 members"),
    ],
)
async def test_error_counts_members_of_a_large_value(ask: Wire, envelope: Json, as_shown: Json) -> None:
    assert (await ask("PUT", NEW, MINE, json.dumps(envelope).encode())).data == {"data": is_required(as_shown)}


async def test_body_with_many_siblings_is_accepted(ask: Wire) -> None:
    data = {"list": [{"a": [i]} for i in range(1000)]}
    assert (await ask("PUT", NEW, MINE, {"data": data})).data["list"] == data["list"]


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'{"data":{"x":1}}', {"x": 1}),
        (b'{"data":{"x":"100%"}}', {"x": "100%"}),
        (b'{"data":{"x":"a=b"},"y":"%"}', {"x": "a=b"}),
    ],
)
def test_parse_body_form_accepts_json(body: bytes, data: JsonObject) -> None:
    assert parse_body(FORM, body) == Body(FORM, json.loads(body), data)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"data":{"x":"a=b&c"}}', is_required({'{"data":{"x":"a': "b", 'c"}}': True})),
        (b"", is_required({})),
        (b"data=1&b=2", is_of_another_type("1")),
        (b"data=1&data=2", is_of_another_type("1")),
        (b"data&b=2", is_of_another_type(True)),
    ],
)
def test_parse_body_form_of_pairs_is_refused(body: bytes, problem: Json) -> None:
    assert refused(FORM, body).data == {"data": problem}


def test_parse_body_form_is_limited_to_hundred_pairs() -> None:
    assert "data" in refused(FORM, b"&".join(b"a%d=1" % i for i in range(100))).data
    assert "json" in refused(FORM, b"&".join(b"a%d=1" % i for i in range(101))).data
    assert "json" in refused(FORM, b"&" * 1_000_000).data


def test_parse_body_form_malformed_is_parsed_as_json() -> None:
    assert "json" in refused(FORM, b"data=%zz&a=1").data
    assert "json" in refused(FORM, b"=1").data


def test_parse_body_multipart_takes_json_part_as_envelope() -> None:
    body = parse_body(MULTIPART, multipart(FILE_PART, JSON_PART))
    assert (body.content_type, body.data, body.envelope) == ("multipart/form-data", {"m": 1}, {"data": {"m": 1}})
    (file,) = body.files
    assert (file.body, file.content_type, file.name) == (EVERY_BYTE, "image/png", "a b.png")


def test_parse_body_multipart_part_without_type_is_json() -> None:
    assert parse_body(MULTIPART, multipart(("", b'{"data":{"x":1}}'))).data == {"x": 1}
    assert "json" in refused(MULTIPART, multipart(('Content-Disposition: form-data; name="x"\r\n', b"text"))).data


def test_parse_body_multipart_part_with_charset_is_json() -> None:
    part = ("Content-Type: application/json; charset=utf-8\r\n", b'{"data":[]}')
    assert parse_body(MULTIPART, multipart(part)).data == []


def test_parse_body_multipart_keeps_last_envelope() -> None:
    parts = multipart(JSON_PART, ("Content-Type: application/json\r\n", b'{"data":{"x":2},"y":3}'))
    assert parse_body(MULTIPART, parts).envelope == {"data": {"x": 2}, "y": 3}


def test_parse_body_multipart_checks_envelope() -> None:
    assert "data" in refused(MULTIPART, multipart(("Content-Type: application/json\r\n", b"{}"))).data


async def test_body_multipart_with_files_only_is_refused(ask: Wire, notes: Notes) -> None:
    answer = await ask("PUT", NEW, {**MINE, "Content-Type": MULTIPART}, multipart(FILE_PART))
    assert (answer.status, notes.executed) == (415, [])
    answer = await ask("PUT", NEW, {**MINE, "Content-Type": MULTIPART}, multipart(FILE_PART, JSON_PART))
    assert (answer.status, answer.data) == (201, {"m": 1, "id": "new"})


@pytest.mark.parametrize("content", TROUBLESOME)
def test_parse_body_multipart_keeps_bytes_of_parts(content: bytes) -> None:
    head = "Content-Type: application/octet-stream\r\n"
    files = parse_body(MULTIPART, multipart((head, content), (head, content))).files
    assert [file.body for file in files] == [content, content]


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/form-data; boundary="XX"', "XX"),
        ("multipart/mixed;charset=x;BOUNDARY=XX", "XX"),
        ('multipart/form-data; boundary="a (b)\\"+?"', 'a (b)"+?'),
    ],
)
def test_parse_body_multipart_accepts_quoted_boundary(content_type: str, boundary: str) -> None:
    raw = multipart(JSON_PART).replace(b"--XX", b"--" + boundary.encode())
    assert parse_body(content_type, raw).data == {"m": 1}


def test_parse_body_multipart_ignores_preamble_and_epilogue() -> None:
    raw = b"preamble\r\n--XX  \r\n\r\n" + b'{"data":{}}' + b"\r\n--XX--  \r\nepilogue --XX\r\n"
    assert parse_body(MULTIPART, raw).data == {}
    assert parse_body(MULTIPART, multipart(JSON_PART, end=b"--XX--")).data == {"m": 1}


@pytest.mark.parametrize(
    "raw",
    [
        b"nothing",
        b"--XX--\r\n",
        b"--XX\r\n\r\n{}",
        b"--XX\r\nno empty line\r\n--XX--",
        b"--XX\r\n--XX--",
        multipart(JSON_PART, end=b""),
        multipart(*[JSON_PART] * (MAX_PARTS + 1)),
        multipart(*[("Content-Type: multipart/mixed; boundary=YY\r\n", b"--YY--")] * 2),
        multipart(("Content-Type: multipart/mixed\r\n", b"--YY--")),
    ],
)
def test_parse_body_multipart_malformed_is_refused(raw: bytes) -> None:
    error = refused(MULTIPART, raw)
    assert (error.code, error.data) == (400, {"message": "malformed multipart body"})


@pytest.mark.parametrize("boundary", ['""', "x" * 201])
def test_parse_body_multipart_bad_boundary_is_refused(boundary: str) -> None:
    assert refused(f"multipart/form-data; boundary={boundary}", b"--x--").code == 400


def test_parse_body_multipart_accepts_hundred_parts() -> None:
    file = ("Content-Type: image/png\r\n", b"x")
    assert len(parse_body(MULTIPART, multipart(*[file] * (MAX_PARTS - 1), JSON_PART)).files) == MAX_PARTS - 1


def test_parse_body_multipart_counts_nested_parts() -> None:
    inner = multipart(JSON_PART, FILE_PART).replace(b"--XX", b"--YY")
    outer = ("Content-Type: multipart/mixed; boundary=YY\r\n", inner)
    body = parse_body(MULTIPART, multipart(outer, FILE_PART))
    assert (body.data, len(body.files)) == ({"m": 1}, 2)
    many = multipart(*[JSON_PART] * 60).replace(b"--XX", b"--YY")
    assert refused(MULTIPART, multipart(*[("Content-Type: multipart/mixed; boundary=YY\r\n", many)] * 2)).code == 400
    deep = multipart(outer).replace(b"--XX", b"--ZZ")
    (file,) = parse_body(MULTIPART, multipart(("Content-Type: multipart/mixed; boundary=ZZ\r\n", deep))).files
    assert file.content_type == "multipart/mixed"


def test_parse_body_multipart_accepts_empty_body() -> None:
    assert parse_body(MULTIPART, b"") == Body("multipart/form-data")


def test_parse_body_multipart_part_with_bad_type_is_refused() -> None:
    assert refused(MULTIPART, multipart(("Content-Type: json\r\n", b"{}"))).code == 400


def test_split_parts_lowers_header_names() -> None:
    (part,) = split_parts(multipart(("content-TYPE:  a/b \r\nX: é\r\n", b"x")), "XX")
    assert part.headers == {"content-type": "a/b", "x": "é"}
    with pytest.raises(Refusal):
        split_parts(b"", "")


@pytest.mark.parametrize("content", [EVERY_BYTE, b"hello", b"", b"h", b"he"])
@pytest.mark.parametrize("content_type", ["application/base64", "application/x-base64"])
def test_parse_body_decodes_base64(content: bytes, content_type: str) -> None:
    encoded = base64.b64encode(content)
    for text in (encoded, encoded.rstrip(b"="), base64.encodebytes(content), b"  " + encoded + b"\r\n"):
        if text:
            (file,) = parse_body(content_type, text, "name").files
            assert (file.body, file.content_type, file.name) == (content, content_type, "name")


@pytest.mark.parametrize(
    ("prefix", "content_type"),
    [
        (b"data:image/png;base64,", "image/png"),
        (b"data:Text/Plain;charset=utf-8;base64,", "text/plain"),
        (b"data:;base64,", "application/base64"),
    ],
)
def test_parse_body_takes_type_from_data_uri(prefix: bytes, content_type: str) -> None:
    (file,) = parse_body("application/base64", prefix + base64.b64encode(EVERY_BYTE)).files
    assert (file.body, file.content_type) == (EVERY_BYTE, content_type)


@pytest.mark.parametrize("text", [b"!!!", b"aaaaa", b"a===", b"data:x,aGVsbG8=", b"\xff\xfe", b"aGVs-G8="])
def test_parse_body_invalid_base64_is_refused(text: bytes) -> None:
    problem = {"file": {"encoding": {"message": "failed to decode base64 data"}}}
    assert refused("application/base64", text).data == problem
    part = ("Content-Type: image/png\r\nContent-Transfer-Encoding: BASE64\r\n", text)
    assert refused(MULTIPART, multipart(part)).data == problem


def test_parse_body_multipart_decodes_base64_part() -> None:
    part = ("Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n", base64.encodebytes(EVERY_BYTE))
    (file,) = parse_body(MULTIPART, multipart(part)).files
    assert (file.body, file.content_type) == (EVERY_BYTE, "image/png")


def test_parse_body_returns_other_types_as_files() -> None:
    (file,) = parse_body("image/png; x=y", EVERY_BYTE, "a.png").files
    assert (file.body, file.content_type, file.name) == (EVERY_BYTE, "image/png", "a.png")
    assert parse_body("image/png", b"") == Body("image/png")


async def test_body_of_list_get_is_ignored(ask: Wire) -> None:
    assert (await ask("GET", LIST, MINE, {"data": {"a": 1}})).status == 200
