import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.load import COUNTER, CannotMeasure, Request
from benchmarks.rows import HEADINGS, Row, median_ratio, table_line
from benchmarks.servers import Scale

FOUND = [Row("list", "GET list", 2.5, most=3.0, remark="65 µs"), Row("cold", "cold account", 6, "reads", most=5)]


@pytest.mark.parametrize(
    ("value", "least", "most", "target", "verdict"),
    [
        (3.0, None, 3.0, "≤ 3", "inside"),
        (3.01, None, 3.0, "≤ 3", "outside"),
        (1.8, 1.8, None, "≥ 1.8", "inside"),
        (1.79, 1.8, None, "≥ 1.8", "outside"),
        (0.85, 0.85, 1.15, "0.85 to 1.15", "inside"),
        (1.16, 0.85, 1.15, "0.85 to 1.15", "outside"),
        (0.84, 0.85, 1.15, "0.85 to 1.15", "outside"),
        (9.0, None, None, "", ""),
    ],
)
def test_row_verdict_compares_with_both_ends(
    value: float, least: float | None, most: float | None, target: str, verdict: str
) -> None:
    row = Row("name", "title", value, least=least, most=most)
    assert (row.target, row.verdict) == (target, verdict)


@pytest.mark.parametrize(
    ("value", "unit", "found"),
    [(2.456, "×", "2.46×"), (70.04, "MB", "70.0 MB"), (0.333, "s", "0.33 s"), (4, "reads", "4 reads")],
)
def test_row_cells_show_the_figure_in_its_unit(value: float, unit: str, found: str) -> None:
    assert Row("name", "title", value, unit, remark="why").cells == ("title", found, "", "", "why")


def test_table_line_has_a_cell_for_each_heading() -> None:
    line = table_line(Row("name", "title", 1.0).cells)
    assert line.count("|") == table_line(HEADINGS).count("|") == len(HEADINGS) + 1


def test_median_ratio_compares_neighbouring_turns() -> None:
    assert median_ratio([2.0, 30.0, 4.0], [1.0, 10.0, 4.0]) == 2.0


def test_request_encode_splits_at_the_counter_and_counts_the_body() -> None:
    head, tail = Request(f"/x?n={COUNTER}", {"X-Auth-Token": "t"}).encode("h:1")
    assert (head, tail) == ("GET /x?n=", " HTTP/1.1\r\nHost: h:1\r\nX-Auth-Token: t\r\n\r\n")
    head, tail = Request("/x", {}, "POST", f'{{"n": "{COUNTER}"}}').encode("h:1")
    assert (head, tail) == ('POST /x HTTP/1.1\r\nHost: h:1\r\nContent-Length: 19\r\n\r\n{"n": "', '"}')


@pytest.mark.parametrize(("rows", "code", "last"), [(FOUND, 1, "outside: cold"), (FOUND[:1], 0, "every row is inside")])
async def test_report_exit_code_is_1_if_a_row_is_outside(
    rows: list[Row],
    code: int,
    last: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def measure(*_: object) -> AsyncGenerator[Row, None]:
        for row in rows:
            yield row

    monkeypatch.setattr(command, "measure", measure)
    assert await command.report(Scale(), command.NAMES, tmp_path / "figures.json", None) == code
    printed = capsys.readouterr().out
    assert all(table_line(row.cells) in printed for row in rows)
    assert printed.splitlines()[-1].startswith(last)
    written = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert [(row["name"], row["value"], row["verdict"]) for row in written] == [
        (row.name, row.value, row.verdict) for row in rows
    ]


async def test_report_keeps_the_rows_before_one_that_cannot_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def measure(*_: object) -> AsyncGenerator[Row, None]:
        yield FOUND[0]
        raise CannotMeasure("no luck")

    monkeypatch.setattr(command, "measure", measure)
    assert await command.report(Scale(), command.NAMES, tmp_path / "figures.json", None) == 1
    assert "no luck" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "figures.json").read_text())["rows"]) == 1
