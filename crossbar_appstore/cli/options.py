"""Options that many verbs have."""

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from crossbar_appstore.settings import SETTINGS, Settings

Function = TypeVar("Function", bound=Callable[..., Any])

_PREFIX: Final = "setting_"
DATABASE: Final = ("COUCHDB_URL", "KAZOO_CONFIG", "KAZOO_ZONE", "AMQP_URL")
"""The settings of verbs that work on a CouchDB."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")


def example(*lines: str) -> str:
    """The end of a verb's help: command lines, without the program's name, that work as they stand."""
    # The first character keeps click from joining the lines.
    return "\b\nExample:\n" + "\n".join(f"  crossbar-appstore {line}" for line in lines)


def settings_options(*variables: str, without: tuple[str, ...] = ()) -> Callable[[Function], Function]:
    """Options for settings, all of them if none are named; the function gets ``settings``, read and checked."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def with_settings(**arguments: Any) -> Any:
            given = {name: arguments.pop(name) for name in list(arguments) if name.startswith(_PREFIX)}
            overrides = {name.removeprefix(_PREFIX): text for name, text in given.items()}
            return function(settings=Settings.load(overrides=overrides), **arguments)

        command: Any = with_settings
        for setting in reversed(SETTINGS):
            if setting.variable in (variables or (setting.variable,)) and setting.variable not in without:
                note = f"  [{setting.variable}{f'; {setting.default}' if setting.default else ''}]"
                command = click.option(
                    setting.option, f"{_PREFIX}{setting.variable}", metavar="TEXT", help=setting.doc + note
                )(command)
        decorated: Function = command
        return decorated

    return decorate
