import pytest

from crossbar_appstore.bench.rows import Row, Target


@pytest.mark.parametrize(
    ("target", "inside", "outside", "shown"),
    [
        (Target(most=1.6), 1.6, 1.61, "≤ 1.6"),
        (Target(least=1.8), 1.8, 1.79, "≥ 1.8"),
        (Target(least=0.85, most=1.15), 1.15, 0.84, "0.85 to 1.15"),
    ],
)
def test_a_target_holds_up_to_its_ends(target: Target, inside: float, outside: float, shown: str) -> None:
    assert target.holds(inside)
    assert not target.holds(outside)
    assert str(target) == shown


def test_a_row_shows_its_figure_and_its_verdict() -> None:
    row = Row("list", "GET list", 1.4567, "×", Target(most=1.6), "quick", {"x": [1]})
    assert (row.shown, row.verdict, row.holds) == ("1.46×", "inside", True)
    assert row.as_json() == {
        "name": "list",
        "title": "GET list",
        "value": 1.4567,
        "unit": "×",
        "target": {"most": 1.6},
        "holds": True,
        "remark": "quick",
        "figures": {"x": [1]},
    }


def test_a_figure_that_nobody_promised_has_no_verdict() -> None:
    row = Row("cold", "reads", 1234, "reads")
    assert (row.shown, row.verdict, row.holds) == ("1,234 reads", "", None)
    assert row.as_json()["target"] is None
    assert Row("cold", "reads", 6, "reads", Target(most=5)).verdict == "outside"
