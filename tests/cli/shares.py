"""Makes the man pages and completion scripts in ``deploy/share``, which the wheel installs below ``share``.

``python -m tests.cli.pages`` writes them; a test compares.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class
from click_man.man import ManPage

from crossbar_appstore import __version__
from crossbar_appstore.cli.program import NAME, program

CHECKOUT: Final = Path(__file__).parents[2]
SHARE: Final = CHECKOUT / "deploy" / "share"
COMPLETIONS: Final = {
    "bash": Path("bash-completion/completions", NAME),
    "zsh": Path("zsh/site-functions", f"_{NAME}"),
    "fish": Path("fish/vendor_completions.d", f"{NAME}.fish"),
}
"""Shell → its script below ``share``, where the shells' own packages look for it."""


def made() -> dict[Path, str]:
    """Each file, below ``share``, with its text."""
    pages = {Path("man/man1", f"{context.command_path.replace(' ', '-')}.1"): _page(context) for context in _contexts()}
    return pages | {path: _completion(shell) for shell, path in COMPLETIONS.items()}


def write() -> None:
    files = made()
    for path in SHARE.rglob("*"):
        if path.is_file() and path.relative_to(SHARE) not in files:
            path.unlink()
    for name, text in files.items():
        (SHARE / name).parent.mkdir(parents=True, exist_ok=True)
        (SHARE / name).write_text(text, encoding="utf-8")


def _completion(shell: str) -> str:
    kind = get_completion_class(shell)
    assert kind is not None
    return kind(program, {}, NAME, f"_{NAME.replace('-', '_').upper()}_COMPLETE").source()


def _contexts() -> Iterator[click.Context]:
    """The program and each verb."""
    whole = click.Context(program, info_name=NAME)
    yield whole
    for verb, command in _below(program):
        context = click.Context(command, info_name=verb, parent=whole)
        yield context
        yield from (click.Context(each, info_name=name, parent=context) for name, each in _below(command))


def _below(command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield name, found


def _page(context: click.Context) -> str:
    page = ManPage(context.command_path)
    page.version = __version__
    # A page that is made again must be the same.
    page.date = ""
    page.short_help = _short(context.command)
    page.synopsis = " ".join(context.command.collect_usage_pieces(context))
    page.description = _roff("\n".join(map(str.strip, (context.command.help or "").splitlines())))
    records = filter(None, (parameter.get_help_record(context) for parameter in context.command.params))
    page.options = [(option, _roff(" ".join(text.split()))) for option, text in records]
    page.commands = [(name, _short(command)) for name, command in _below(context.command)]
    return f"{page}{_example(context.command)}"


def _short(command: click.Command) -> str:
    return _roff(command.get_short_help_str(limit=200))


def _example(command: click.Command) -> str:
    lines = (command.epilog or "").partition("Example:\n")[2].splitlines()
    text = "\n".join(_roff(line.strip()) for line in lines)
    return f".SH EXAMPLE\n.nf\n{text}\n.fi\n" if lines else ""


def _roff(text: str) -> str:
    """The text for troff: backslashes and hyphens as they are, and no line that is a request."""
    lines = text.strip().replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)
