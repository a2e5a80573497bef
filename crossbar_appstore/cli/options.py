"""Options that many verbs have, and the connection to CouchDB that the settings name."""

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import click

from crossbar_appstore.datastore.client import Timeouts
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.settings import SETTINGS, Settings

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DATABASE: Final = ("COUCHDB_URL", "KAZOO_CONFIG", "KAZOO_ZONE", "AMQP_URL")
"""The settings of verbs that use a CouchDB."""
PATIENT: Final = Timeouts(connect=5.0, read=60.0, total=120.0)
"""Timeouts of commands, in seconds: longer than those of the service, since a bulk of pictures takes time."""
_PREFIX: Final = "setting_"

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")


def example(*lines: str) -> str:
    """The epilog of a verb's help: example command lines, given without the program's name."""
    # \b keeps click from joining the lines.
    return "\b\nExample:\n" + "\n".join(f"  crossbar-appstore {line}" for line in lines)


def combined(*decorators: Decorator) -> Decorator:
    """One decorator that applies several options, the first one first in the help."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def settings_options(*variables: str, without: tuple[str, ...] = ()) -> Callable[[Function], Function]:
    """Options for settings, by default for all; the function gets ``settings``, read and validated."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def with_settings(**arguments: Any) -> Any:
            # The prefix separates settings from the arguments of the verb.
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


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Couch]:
    """Connect to the CouchDB that the settings name.

    Raises:
        SettingsError: they name none.
    """
    address = settings.require_couchdb()
    async with Couch(address.url, user=address.user, password=address.password, timeouts=PATIENT) as couch:
        yield couch
