"""Options that many verbs have, and the connection to CouchDB that the settings name."""

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from crossbar_appstore.datastore.client import Timeouts
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.credentials import Tries
from crossbar_appstore.maintenance.app_files import MAX_PICTURE_BYTES
from crossbar_appstore.settings import PASSWORD, SETTINGS, Settings, account_password

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Password = Callable[[], str]
"""Returns the password that the user gives; asks for it if need be."""

DATABASE: Final = (
    "COUCHDB_URL",
    "COUCHDB_CA_FILE",
    "COUCHDB_CERTIFICATE_FILE",
    "COUCHDB_KEY_FILE",
    "AMQP_URL",
    "KAZOO_CONFIG",
    "KAZOO_ZONE",
    "CROSSBAR_AUDIT_DB",
)  # of verbs that use a CouchDB
TIMEOUTS: Final = Timeouts(connect=5.0, read=60.0, total=120.0)
"""In seconds. Longer than those of the service, since a bulk of pictures takes time."""
_PREFIX: Final = "setting_"
_SHOWN_PASSWORD: Final = (
    "Warning: a password on the command line is shown in the list of processes and kept in the shell's history; "
    f"use --password-file or {PASSWORD}."
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def confirmed(question: str) -> bool:
    """Ask on standard error. Raises UsageError where nobody can answer."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("there is no terminal to ask for confirmation: give --yes") from None


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


def password_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names a file with a password; the function gets ``password``, a ``Password``.

    A verb with an argument ``password`` takes it from there first, with a warning.
    """

    @functools.wraps(function)
    def with_password(*, password_file: str | None, password: str | None = None, **arguments: Any) -> Any:
        if password is not None:
            click.echo(_SHOWN_PASSWORD, err=True)
            if password_file is not None:
                raise click.UsageError("give either the argument PASSWORD or --password-file, not both")
        return function(password=lambda: password or _read_password(password_file), **arguments)

    text = f"Read the password from this file, or from standard input if it is -.  [{PASSWORD}, or it is asked for]"
    return click.option("--password-file", metavar="FILE|-", help=text)(with_password)


def _read_password(file: str | None) -> str:
    """A password from a file, without its line end, from the environment, or asked for without showing it."""
    if file is not None:
        try:
            # An editor may have added the byte order mark.
            with click.open_file(file, encoding="utf-8-sig") as opened:
                text: str = opened.read()
        except OSError as error:
            raise click.FileError(file, error.strerror or str(error)) from None
        except UnicodeDecodeError:
            raise click.FileError(file, "it is not text in UTF-8") from None
        return text.removesuffix("\n").removesuffix("\r")
    found = account_password()
    if found is not None:
        return found
    if not sys.stdin.isatty():
        raise click.UsageError(f"there is no terminal to ask for the password: use --password-file or {PASSWORD}")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def settings_options(*variables: str, without: tuple[str, ...] = ()) -> Decorator:
    """Options for settings, by default for all; the function gets ``settings``, read and validated."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def with_settings(**arguments: Any) -> Any:
            own = {name: value for name, value in arguments.items() if not name.startswith(_PREFIX)}
            return function(settings=settings_of(arguments), **own)

        options = []
        for setting in SETTINGS:
            if setting.variable in (variables or (setting.variable,)) and setting.variable not in without:
                text = f"{setting.doc}  [{setting.variable}{f'; {setting.default}' if setting.default else ''}]"
                options.append(click.option(setting.option, _PREFIX + setting.variable, metavar="TEXT", help=text))
        return combined(*options)(with_settings)

    return decorate


def settings_of(parameters: Mapping[str, Any]) -> Settings:
    """The settings, read and validated, with those among the parameters of a verb. Raises SettingsError."""
    # The prefix separates settings from the arguments of the verb.
    given = {name.removeprefix(_PREFIX): text for name, text in parameters.items() if name.startswith(_PREFIX)}
    return Settings.load(overrides=given)


def connected(settings: Settings, timeouts: Timeouts = TIMEOUTS) -> Couch:
    """The client for the CouchDB that the settings name, to be entered.

    Raises:
        SettingsError: they name none, or its certificates cannot be used.
    """
    address = settings.require_couchdb()
    return Couch(
        *address.urls,
        user=address.user,
        password=address.password,
        timeouts=timeouts,
        tls=settings.couchdb_tls(),
        tries=Tries.in_directory(settings.shared_dir),
    )
