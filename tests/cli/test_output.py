import io
import sys

import pytest

from crossbar_appstore.cli.output import Output, plain, shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def become_terminal(monkeypatch: pytest.MonkeyPatch, stream: str) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(sys, stream, made)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return made


@pytest.mark.parametrize(("stream", "as_json"), [("stdout", False), ("stderr", False), ("stderr", True)])
def test_output_progress_shows_bar_on_terminal(monkeypatch: pytest.MonkeyPatch, stream: str, as_json: bool) -> None:
    terminal = become_terminal(monkeypatch, stream)
    output = Output(as_json=as_json)
    with output.progress("Loading apps", 20) as step:
        for _ in range(20):
            output.line("a line")
            step()
    assert "Loading apps" in terminal.getvalue()
    assert ("a line" in terminal.getvalue()) is (stream == "stdout")


def test_output_progress_does_not_disturb_json(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = become_terminal(monkeypatch, "stdout")
    output = Output(as_json=True)
    with output.progress("Loading apps", 20) as step:
        step()
    output.json({})
    assert terminal.getvalue() == "{}\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_progress_leaves_what_is_printed_on_its_stream(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stream: str
) -> None:
    terminal = become_terminal(monkeypatch, stream)
    output = Output()
    with output.progress("Reading accounts", 20) as step:
        output.csv(["a row"])
        print("a warning", file=sys.stderr)
        step()
    captured = capsys.readouterr()
    shown = {"stdout": captured.out, "stderr": captured.err, stream: terminal.getvalue()}
    assert "a row" in shown["stdout"]
    assert "a row" not in shown["stderr"]
    assert "a warning" in shown["stderr"]
    assert "a warning" not in shown["stdout"]


def test_output_progress_shows_nothing_in_file_with_force_color(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    output = Output()
    with output.progress("Reading accounts", 20) as step:
        output.csv(["a row"])
        step()
    assert capsys.readouterr() == ('"a row"\n', "")


def test_output_progress_ignores_single_item(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = become_terminal(monkeypatch, "stderr")
    with Output().progress("Loading apps", 1) as step:
        step()
    assert terminal.getvalue() == ""


def test_output_progress_shows_nothing_without_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress("Loading apps", 20) as step:
        step()
    assert capsys.readouterr() == ("", "")


def test_output_line_uses_colours_only_on_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Output().line(("created", "green"), "  voip")
    assert capsys.readouterr().out == "created  voip\n"
    terminal = become_terminal(monkeypatch, "stdout")
    Output().line(("created", "green"), "  voip")
    assert "\x1b[" in terminal.getvalue()


def test_output_json_suppresses_lines_but_not_asides(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.line("a line")
    output.columns(["HEADING"], [["cell"]])
    output.aside("an aside")
    output.json({"a": 1})
    out, err = capsys.readouterr()
    assert (out, err) == ('{\n  "a": 1\n}\n', "an aside\n")


def test_output_columns_align_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    Output().columns(["NAME", "LABEL"], [["voip", "電話"], ["accounts", "Konten"]])
    assert capsys.readouterr().out.splitlines() == ["NAME      LABEL", "voip      電話", "accounts  Konten"]


def test_output_line_does_not_wrap(capsys: pytest.CaptureFixture[str]) -> None:
    Output().line("x " * 500)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_output_line_prints_brackets_literally(capsys: pytest.CaptureFixture[str]) -> None:
    Output().line("[bold]voip[/bold] :smile: http://x")
    assert capsys.readouterr().out == "[bold]voip[/bold] :smile: http://x\n"


def test_plain_replaces_control_characters() -> None:
    assert plain("a\x1b[31mb\nc\u202e") == "a\ufffd[31mb\ufffdc\ufffd"
    assert plain("Größe 電話 ✓") == "Größe 電話 ✓"


def test_shown_shortens_long_values() -> None:
    assert shown("x" * 500).endswith("…")
    assert len(shown("x" * 500)) == 120
    assert shown("x" * 500, cut=False) == '"' + "x" * 500 + '"'
    assert shown({"a": [1, None]}) == '{"a":[1,null]}'
