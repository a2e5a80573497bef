"""The program: its verbs, each imported when it is used, exit codes, and the verbs ``sup`` and ``completion``."""

import functools
import importlib
import io
import shlex
import sys
from collections.abc import Sequence
from typing import Final

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class

from crossbar_appstore import __version__
from crossbar_appstore.cli.options import example
from crossbar_appstore.datastore.errors import CONFIGURATION, DatastoreError, NoMasterAccount, Troubled
from crossbar_appstore.embedded import EmbeddedError
from crossbar_appstore.json_codec import dumps_pretty
from crossbar_appstore.maintenance.lookup import Unknown
from crossbar_appstore.settings import SettingsError, is_utf8

NAME: Final = "crossbar-appstore"

DONE: Final = 0
REFUSED: Final = 1
WRONG_USE: Final = 2
AWAY: Final = 3
CONFIGURED_WRONGLY: Final = 4
INTERRUPTED: Final = 130

VERBS: Final = {
    "serve": "serving",
    "demo": "demonstration",
    **dict.fromkeys(("init-apps", "init-app", "refresh-apps", "refresh-app"), "apps_loading"),
    **dict.fromkeys(("apps", "app"), "apps_reading"),
    **dict.fromkeys(("set-app-field", "set-app-label", "set-app-description"), "apps_editing"),
    **dict.fromkeys(("set-app-extended-description", "set-app-features", "set-app-icon"), "apps_editing"),
    **dict.fromkeys(("set-app-screenshots", "publish-app", "unpublish-app", "remove-app"), "apps_editing"),
    **dict.fromkeys(("export-apps", "diff-apps"), "apps_reading"),
    **dict.fromkeys(("installs", "install", "uninstall", "blacklist"), "installs"),
    **dict.fromkeys(("explain", "doctor"), "diagnosing"),
    "audit": "audit_events",
    "views": "system",
    **dict.fromkeys(("create-account", "accounts", "users", "set-password"), "accounts"),
    **dict.fromkeys(("promote", "demote", "api-key"), "accounts"),
    **dict.fromkeys(("sup", "completion"), "program"),
}
"""Verb → the module of this package that contains it, under its name with underscores; in the order of the help."""

SUP_MODULES: Final = ("crossbar_maintenance", "kazoo_documents_maintenance")  # of KAZOO 4 and KAZOO 5
SUP_FUNCTIONS: Final = {
    **dict.fromkeys(("init_apps", "init_app", "refresh_apps", "refresh_app"), (1, 2)),
    "apps": (0,),
    "app": (1,),
    "set_app_field": (3,),
    **dict.fromkeys(("set_app_label", "set_app_description", "set_app_extended_description"), (2,)),
    **dict.fromkeys(("set_app_features", "set_app_icon", "set_app_screenshots"), (2,)),
    "create_account": (4,),
}
"""Function → the numbers of arguments that it accepts."""


@add_completion_class
class _QuotingBash(BashComplete):
    """Quotes completions, which bash inserts as they are: a blank in a name would end the word."""

    name = "bash"

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type},{shlex.quote(item.value)}" if item.type == "plain" else super().format_completion(item)


class Verbs(click.Group):
    """A group that imports the module of a command when the command is looked up."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, ``None`` if there is none."""
        if cmd_name not in VERBS:
            return None
        # Imported by name: a completion or a single verb must not load all others.
        module = importlib.import_module(f"crossbar_appstore.cli.{VERBS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(NAME, cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name=NAME)
def program() -> None:
    """KAZOO's app store endpoint as a separate service, and the tools to maintain its apps.

    Settings are read from options, else from environment variables of the same names (--couchdb-url: COUCHDB_URL).

    Exit codes: 0 done, 1 something was refused, 2 wrong usage, 3 CouchDB is away,
    4 its address, certificate, user or password is wrong.
    """


def run(argv: Sequence[str] | None) -> int:
    """Run the program; errors become one line on standard error and an exit code, with ``--json`` an object as well."""
    _print_any_text()
    words = list(sys.argv[1:] if argv is None else argv)
    fail = functools.partial(_failed, as_json="--json" in words[: words.index("--") if "--" in words else None])
    for word in words:
        # Python keeps other bytes as surrogates, which neither CouchDB nor JSON takes.
        if not is_utf8(word):
            return fail(f"the argument {word!a} is not text in UTF-8", WRONG_USE)
    try:
        return _result(argv)
    except click.exceptions.Abort:
        return INTERRUPTED
    except SystemExit as finished:
        # click ends like this after it has printed completions for a shell.
        return finished.code if isinstance(finished.code, int) else DONE
    except click.ClickException as error:
        error.show()
        return fail(error.format_message(), error.exit_code, told=True)
    except SettingsError as error:
        return fail(str(error), WRONG_USE)
    except Troubled as error:
        return fail(error.explained, CONFIGURED_WRONGLY if isinstance(error, CONFIGURATION) else AWAY)
    except NoMasterAccount as error:
        return fail(f"{error}; create-account creates the first one", REFUSED)
    except (DatastoreError, EmbeddedError, Unknown) as error:
        return fail(str(error), REFUSED)


@click.command(
    "sup",
    help=f"""Run a command line of KAZOO's sup.

    Each FUNCTION is the verb of the same name, whose options may follow.

    MODULE is {" or ".join(SUP_MODULES)}.

    FUNCTION is one of {", ".join(SUP_FUNCTIONS)}.
    """,
    context_settings={"ignore_unknown_options": True},
    epilog=example("sup crossbar_maintenance init_apps /var/www/html/monster-ui/apps http://api.example.com:8000/v2/"),
)
@click.argument("module", type=click.Choice(SUP_MODULES), metavar="MODULE")
@click.argument("function", type=click.Choice(tuple(SUP_FUNCTIONS)), metavar="FUNCTION")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sup(module: str, function: str, arguments: tuple[str, ...]) -> int:
    """Run the verb that corresponds to a function of KAZOO."""
    given = sum(not argument.startswith("--") for argument in arguments)
    # With options, click checks the arguments: an option's value cannot be told from an argument here.
    if given == len(arguments) and given not in SUP_FUNCTIONS[function]:
        wanted = " or ".join(map(str, SUP_FUNCTIONS[function]))
        raise click.UsageError(f"{module}:{function} takes {wanted} arguments, not {given}")
    return _result([function.replace("_", "-"), *arguments])


@click.command("completion", epilog=example("completion bash > /etc/bash_completion.d/crossbar-appstore"))
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> int:
    """Print the completion script of a shell.

    It completes verbs and options. Put it where the SHELL looks for completions, or source it.
    """
    kind = get_completion_class(shell)
    assert kind is not None, shell  # noqa: S101 (the argument's choices are click's)
    variable = f"_{NAME.replace('-', '_').upper()}_COMPLETE"
    click.echo(kind(program, {}, NAME, variable).source())
    return DONE


def _result(argv: Sequence[str] | None) -> int:
    result = program.main(argv, NAME, standalone_mode=False)
    # click returns None after it has printed the help or the version.
    return result if isinstance(result, int) else DONE


def _failed(message: str, code: int, *, as_json: bool, told: bool = False) -> int:
    """Print why the program ends, on standard error unless it is ``told`` already; returns the exit code."""
    if not told:
        click.echo(f"Error: {message}", err=True)
    if as_json:
        click.echo(dumps_pretty({"refused": {"message": message}}))
    return code


def _print_any_text() -> None:
    """Print characters that the encoding of the output lacks as escapes, rather than end at the first one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
