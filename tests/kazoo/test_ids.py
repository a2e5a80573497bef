import re

import pytest

from crossbar_appstore.kazoo.ids import (
    account_db,
    encoded_account_db,
    format_account_id,
    is_account_id,
    monthly_db,
    new_id,
    new_reset_id,
    parse_reset_id,
)

RAW = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def test_monthly_db_adds_year_and_month_to_the_name_of_account_db() -> None:
    assert monthly_db(RAW, 2026, 3) == account_db(RAW) + "-202603"


def test_account_db_and_encoded_account_db_split_the_id() -> None:
    assert account_db(RAW) == "account/0f/1e/2d3c4b5a69788796a5b4c3d2e1f0"
    assert encoded_account_db(RAW) == "account%2F0f%2F1e%2F2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.mark.parametrize(
    "spelling",
    [
        RAW,
        "account/0f/1e/2d3c4b5a69788796a5b4c3d2e1f0",
        "account%2F0f%2F1e%2F2d3c4b5a69788796a5b4c3d2e1f0",
        "account%2f0f%2f1e%2f2d3c4b5a69788796a5b4c3d2e1f0",
    ],
)
def test_format_account_id_accepts_every_spelling(spelling: str) -> None:
    assert format_account_id(spelling) == RAW
    assert account_db(spelling) == account_db(RAW)


@pytest.mark.parametrize("other", ["", "abc", "accounts", RAW + "0", "account/0f/1e/short", None, 5, ["0" * 32], {}])
def test_format_account_id_rejects_anything_else(other: object) -> None:
    assert not is_account_id(other)
    with pytest.raises(ValueError, match="not an account id"):
        format_account_id(other)


def test_is_account_id_checks_the_length_in_bytes() -> None:
    assert is_account_id("the account of anybody, 32 bytes")
    assert is_account_id("é" * 16)
    assert not is_account_id("é" * 32)


def test_new_id_is_hexadecimal_and_unique() -> None:
    ids = {new_id() for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


@pytest.mark.parametrize(("length", "made"), [(137, 137), (99, 99), (179, 179), (42, 70), (0, 70)])
def test_new_reset_id_has_account_and_month_as_kazoo_mixes_them(length: int, made: int) -> None:
    reset_id = new_reset_id(RAW, 2026, 11, length)
    assert len(reset_id) == made
    # n Y1 Y4 n M2 Y2 n Y3 M1, where n is noise.
    assert re.fullmatch(f"{RAW}[0-9a-f]26[0-9a-f]10[0-9a-f]21[0-9a-f]+", reset_id)
    assert parse_reset_id(reset_id) == parse_reset_id(reset_id.upper()) == (RAW, 2026, 11)
    assert reset_id != new_reset_id(RAW, 2026, 11, length)


@pytest.mark.parametrize(
    "other",
    [
        "",
        RAW,
        f"{RAW}a26a10a21",
        f"{RAW}a26a30a21aaaa",
        f"{RAW}a26a00a20aaaa",
        f"{RAW}aaaaaaaaaaaaa",
        f"{RAW}a26a10a21aaaa\n",
        f"{RAW[:-1]}/a26a10a21aaaa",
    ],
)
def test_parse_reset_id_of_another_form_is_none(other: str) -> None:
    assert parse_reset_id(other) is None
