"""Options that many verbs have, and the connection to CouchDB that the settings name."""

import functools
from collections.abc import Callable
from typing import Any, Final

import click

from crossbar_appstore.datastore.client import Timeouts
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.credentials import Tries
from crossbar_appstore.maintenance.app_files import MAX_PICTURE_BYTES
from crossbar_appstore.settings import SETTINGS, Settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DATABASE: Final = (
    "COUCHDB_URL",
    "COUCHDB_CA_FILE",
    "COUCHDB_CERTIFICATE_FILE",
    "COUCHDB_KEY_FILE",
    "KAZOO_CONFIG",
    "KAZOO_ZONE",
    "AMQP_URL",
)  # of verbs that use a CouchDB
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


def picture_options(allow_svg: str, max_picture_bytes: str) -> Decorator:
    """The options that tell how pictures are stored, with these help texts."""
    return combined(
        click.option("--allow-svg", is_flag=True, help=allow_svg),
        click.option(
            "--max-picture-bytes",
            type=click.IntRange(min=1),
            metavar="BYTES",
            default=MAX_PICTURE_BYTES,
            show_default=True,
            help=max_picture_bytes,
        ),
        click.option("--remove-old-pictures", is_flag=True, help="Remove pictures that the app no longer names."),
    )


def settings_options(*variables: str, without: tuple[str, ...] = ()) -> Decorator:
    """Options for settings, by default for all; the function gets ``settings``, read and validated."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def with_settings(**arguments: Any) -> Any:
            # The prefix separates settings from the arguments of the verb.
            given = {name: arguments.pop(name) for name in list(arguments) if name.startswith(_PREFIX)}
            overrides = {name.removeprefix(_PREFIX): text for name, text in given.items()}
            return function(settings=Settings.load(overrides=overrides), **arguments)

        options = []
        for setting in SETTINGS:
            if setting.variable in (variables or (setting.variable,)) and setting.variable not in without:
                text = f"{setting.doc}  [{setting.variable}{f'; {setting.default}' if setting.default else ''}]"
                options.append(click.option(setting.option, _PREFIX + setting.variable, metavar="TEXT", help=text))
        return combined(*options)(with_settings)

    return decorate


def connected(settings: Settings) -> Couch:
    """The client for the CouchDB that the settings name, to be entered.

    Raises:
        SettingsError: they name none, or its certificates cannot be used.
    """
    address = settings.require_couchdb()
    # In seconds. Longer than those of the service, since a bulk of pictures takes time.
    timeouts = Timeouts(connect=5.0, read=60.0, total=120.0)
    return Couch(
        *address.urls,
        user=address.user,
        password=address.password,
        timeouts=timeouts,
        tls=settings.couchdb_tls(),
        tries=Tries.in_directory(settings.shared_dir),
    )
