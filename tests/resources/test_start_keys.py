"""Paging keys in Erlang's external term format."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.json_codec import Json
from crossbar_appstore.resources.start_keys import decode_start_key, encode_start_key

integers = st.integers(-(2**64) + 1, 2**64 - 1)
leaves = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | st.text()
keys: st.SearchStrategy[Json] = st.recursive(
    leaves | st.just({}), lambda inner: st.lists(inner, max_size=4), max_leaves=8
)


@given(keys)
def test_start_key_round_trip(key: Json) -> None:
    assert decode_start_key(encode_start_key(key)) == key


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(b"\x83" + raw).decode()))
def test_decode_start_key_accepts_any_text(text: str) -> None:
    decode_start_key(text)


@pytest.mark.parametrize(
    ("term", "key"),
    [
        # What erlang:term_to_binary/1 makes of [<<"a">>, <<"b">>], <<"x">>, {[]}, 63566193143 as a small list, "abc".
        (b"\x83l\x00\x00\x00\x02m\x00\x00\x00\x01am\x00\x00\x00\x01bj", ["a", "b"]),
        (b"\x83m\x00\x00\x00\x01x", "x"),
        (b"\x83h\x01j", {}),
        (b"\x83k\x00\x03abc", [97, 98, 99]),
        (b"\x83w\x04true", True),
        (b"\x83d\x00\x05false", False),
        (b"\x83b\xff\xff\xff\xff", -1),
        (b"\x83n\x05\x00\xe7\x84\xdb\xcc\x0e", 63_566_480_615),
        (b"\x83n\x05\x01\xe7\x84\xdb\xcc\x0e", -63_566_480_615),
    ],
)
def test_decode_start_key_reads_kazoos_keys(term: bytes, key: Json) -> None:
    assert decode_start_key(base64.urlsafe_b64encode(term).rstrip(b"=").decode()) == key


def test_encode_start_key_as_kazoo() -> None:
    assert encode_start_key(["a", {}]) == "g2wAAAACbQAAAAFhaAFqag"


@pytest.mark.parametrize(
    "term",
    [
        b"\x82m\x00\x00\x00\x01x",
        b"\x83m\x00\x00\x00\x09x",
        b"\x83n\x09\x00xxxxxxxxx",
        b"\x83m\x00\x00\x00\x01xy",
        b"\x83m\x00\x00\x00\x01\xff",
        b"\x83d\x00\x02ok",
        b"\x83l\x00\x00\x00\x01j",
        b"\x83l\x00\x00\x00\x01jm",
        b"\x83h\x02jj",
        b"\x83",
        b"\x83l\xff\xff\xff\xff",
        b"\x83" + b"l\x00\x00\x00\x01" * 20 + b"j" * 21,
        b"\x83t\x00\x00\x00\x00",
    ],
)
def test_decode_start_key_returns_malformed_keys_as_text(term: bytes) -> None:
    text = base64.urlsafe_b64encode(term).decode()
    assert decode_start_key(text) == text


def test_decode_start_key_does_not_decode_long_texts() -> None:
    text = base64.urlsafe_b64encode(b"\x83m\x00\x00\xff\xff" + b"x" * 65535).decode()
    assert decode_start_key(text) == text


@pytest.mark.parametrize("key", [2**64, {"a": 1}])
def test_encode_start_key_refuses_large_integers_and_objects(key: Json) -> None:
    with pytest.raises(ValueError, match="paging key"):
        encode_start_key(key)
