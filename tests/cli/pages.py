"""Generates the reference part of each page in ``docs/cli`` from the verb.

``python -m tests.cli.pages`` writes it between two markers, and the files of ``shares``; a test compares.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from crossbar_appstore.cli.options import _PREFIX
from crossbar_appstore.cli.program import NAME, VERBS, program
from tests.cli import shares

PAGES: Final = Path(__file__).parents[2] / "docs" / "cli"
BEGIN: Final = "<!-- made from the verb -->"
END: Final = "<!-- end of what is made from the verb -->"

_BLOCK: Final = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.DOTALL)


def names() -> list[str]:
    """Every verb; those of groups as two words."""
    found = []
    for verb in VERBS:
        command = _command(verb)
        found += [f"{verb} {below}" for below in command.commands] if isinstance(command, click.Group) else [verb]
    return found


def page_of(name: str) -> Path:
    """The page of a verb."""
    return PAGES / f"{name.replace(' ', '-')}.md"


def reference(name: str) -> str:
    """The generated part of a verb's page: usage, options, settings, example."""
    verb, _, below = name.partition(" ")
    command = _command(verb)
    if below:
        assert isinstance(command, click.Group)
        command = command.commands[below]
    return "\n".join([BEGIN, *_lines(name, command), END])


def _command(verb: str) -> click.Command:
    command = program.get_command(click.Context(program), verb)
    assert command is not None
    return command


def _lines(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"{NAME} {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```\n{NAME} {name} {usage}\n```\n"
    options = [option for option in command.params if isinstance(option, click.Option)]
    own = [option for option in options if not (option.name or "").startswith(_PREFIX)]
    settings = [option for option in options if (option.name or "").startswith(_PREFIX)]
    if own:
        yield "| option | |\n|---|---|"
        for option in own:
            record = option.get_help_record(context)
            assert record is not None
            yield f"| `{record[0]}` | {' '.join(record[1].split())} |"
        yield ""
    if settings:
        listed = ", ".join(f"`{option.opts[0]}`" for option in settings)
        yield f"[Settings](../settings.md): {listed}.\n"
    example = (command.epilog or "").partition("Example:\n")[2]
    commands = "\n".join(line.strip() for line in example.splitlines())
    yield f"```sh\n{commands}\n```"


def with_reference(page: str, name: str) -> str:
    """A page with its generated part updated."""
    return _BLOCK.sub(lambda _: reference(name), page)


if __name__ == "__main__":
    for each in names():
        path = page_of(each)
        before = path.read_text(encoding="utf-8") if path.exists() else f"# {each}\n\n{BEGIN}\n{END}\n"
        path.write_text(with_reference(before, each), encoding="utf-8")
    shares.write()
