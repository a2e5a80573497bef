import gzip
import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.crossbar import compression
from crossbar_appstore.crossbar.compression import ENCODINGS, GZIP, ZSTD, spliced
from crossbar_appstore.crossbar.context import PreparedJson

zstandard = pytest.importorskip("zstandard", reason="zstandard is not here")


def prepared(raw: bytes) -> PreparedJson:
    return PreparedJson(raw)


def plain(coding: str, body: bytes) -> bytes:
    if coding == GZIP:
        return gzip.decompress(body)
    text: bytes = zstandard.ZstdDecompressor().decompress(body)
    return text


@pytest.mark.parametrize("coding", ENCODINGS)
@given(head=st.binary(max_size=400), data=st.binary(max_size=4000), tail=st.binary(max_size=400))
def test_what_was_spliced_is_one_body(coding: str, head: bytes, data: bytes, tail: bytes) -> None:
    assert plain(coding, spliced(coding, head, prepared(data), tail)) == head + data + tail


@pytest.mark.parametrize("coding", ENCODINGS)
@pytest.mark.parametrize(
    ("head", "data", "tail"),
    [
        (b"", b"x" * 400_000, b""),
        (b"h" * 140_000, b"[" + os.urandom(200_000).hex().encode() + b"]", b"t" * 140_000),
        (b"h" * 65_535, b"d", b"t" * 65_536),
        (b"h" * 131_072, b"d" * 256, b"t" * 255),
    ],
    ids=["one byte over and over", "long all over", "a whole stored block", "a whole raw block"],
)
def test_long_parts_take_several_blocks(coding: str, head: bytes, data: bytes, tail: bytes) -> None:
    assert plain(coding, spliced(coding, head, prepared(data), tail)) == head + data + tail


@pytest.mark.parametrize("coding", ENCODINGS)
def test_data_is_compressed_once_for_all_envelopes(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = prepared(b'{"name":"voip"}' * 500)
    first = spliced(coding, b"first", data, b"!")
    monkeypatch.setattr(compression, "_deflated", None)
    monkeypatch.setattr(compression, "_zstd_blocks", None)
    second = spliced(coding, b"the second", data, b"?")
    assert plain(coding, first) == b"first" + data.raw + b"!"
    assert plain(coding, second) == b"the second" + data.raw + b"?"
    assert len(second) < len(data.raw) // 4


def test_other_programs_read_it() -> None:
    data = prepared(b"the same again and again, " * 2000)
    whole = b"head " + data.raw + b"tail"
    programs = {GZIP: "gzip", ZSTD: "zstd"}
    for coding in ENCODINGS:
        program = shutil.which(programs[coding])
        if program is not None:
            body = spliced(coding, b"head ", data, b"tail")
            done = subprocess.run([program, "-dc"], input=body, capture_output=True, check=True)
            assert done.stdout == whole


def test_without_its_library_zstandard_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    compression._zstd.cache_clear()
    try:
        assert compression._zstd() is None
        with pytest.raises(LookupError):
            spliced(ZSTD, b"", prepared(b"x"), b"")
    finally:
        monkeypatch.undo()
        compression._zstd.cache_clear()
