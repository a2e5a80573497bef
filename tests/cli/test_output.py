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
def test_a_terminal_sees_a_progress_bar(monkeypatch: pytest.MonkeyPatch, stream: str, as_json: bool) -> None:
    terminal = become_terminal(monkeypatch, stream)
    output = Output(as_json=as_json)
    with output.progress("Loading apps", 20) as step:
        for _ in range(20):
            output.line("a line")
            step()
    assert "Loading apps" in terminal.getvalue()
    assert ("a line" in terminal.getvalue()) is (stream == "stdout")


def test_a_bar_never_gets_between_a_program_and_its_json(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = become_terminal(monkeypatch, "stdout")
    output = Output(as_json=True)
    with output.progress("Loading apps", 20) as step:
        step()
    output.json({})
    assert terminal.getvalue() == "{}\n"


def test_a_bar_for_one_thing_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = become_terminal(monkeypatch, "stderr")
    with Output().progress("Loading apps", 1) as step:
        step()
    assert terminal.getvalue() == ""


def test_elsewhere_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress("Loading apps", 20) as step:
        step()
    assert capsys.readouterr() == ("", "")


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Output().line(("created", "green"), "  voip")
    assert capsys.readouterr().out == "created  voip\n"
    terminal = become_terminal(monkeypatch, "stdout")
    Output().line(("created", "green"), "  voip")
    assert "\x1b[" in terminal.getvalue()


def test_json_silences_the_lines_and_not_the_asides(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.line("a line")
    output.columns(["HEADING"], [["cell"]])
    output.aside("an aside")
    output.json({"a": 1})
    out, err = capsys.readouterr()
    assert (out, err) == ('{\n  "a": 1\n}\n', "an aside\n")


def test_columns_stand_below_each_other_whatever_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    Output().columns(["NAME", "LABEL"], [["voip", "電話"], ["accounts", "Konten"]])
    assert capsys.readouterr().out.splitlines() == ["NAME      LABEL", "voip      電話", "accounts  Konten"]


def test_long_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    Output().line("x " * 500)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_words_in_brackets_are_words(capsys: pytest.CaptureFixture[str]) -> None:
    Output().line("[bold]voip[/bold] :smile: http://x")
    assert capsys.readouterr().out == "[bold]voip[/bold] :smile: http://x\n"


def test_what_steers_a_terminal_is_replaced() -> None:
    assert plain("a\x1b[31mb\nc\u202e") == "a\ufffd[31mb\ufffdc\ufffd"
    assert plain("Größe 電話 ✓") == "Größe 電話 ✓"


def test_long_values_are_cut() -> None:
    assert shown("x" * 500).endswith("…")
    assert len(shown("x" * 500)) == 120
    assert shown("x" * 500, cut=False) == '"' + "x" * 500 + '"'
    assert shown({"a": [1, None]}) == '{"a":[1,null]}'
