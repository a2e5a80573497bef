"""The program: its verbs, each imported when it is used, exit codes, and the verbs ``sup`` and ``completion``."""

import importlib
from collections.abc import Sequence
from typing import Final

import click
from click.shell_completion import get_completion_class

from crossbar_appstore import __version__
from crossbar_appstore.cli.options import example
from crossbar_appstore.datastore.errors import DatastoreError, NoMasterAccount, Troubled
from crossbar_appstore.embedded import EmbeddedError
from crossbar_appstore.maintenance.lookup import Unknown
from crossbar_appstore.settings import SettingsError

NAME: Final = "crossbar-appstore"

DONE: Final = 0
REFUSED: Final = 1
WRONG_USE: Final = 2
AWAY: Final = 3
INTERRUPTED: Final = 130

VERBS: Final = {
    "serve": "serving",
    "demo": "demonstration",
    "init-apps": "apps_loading",
    "init-app": "apps_loading",
    "refresh-apps": "apps_loading",
    "refresh-app": "apps_loading",
    "apps": "apps_reading",
    "app": "apps_reading",
    "set-app-field": "apps_editing",
    "set-app-label": "apps_editing",
    "set-app-description": "apps_editing",
    "set-app-extended-description": "apps_editing",
    "set-app-features": "apps_editing",
    "set-app-icon": "apps_editing",
    "set-app-screenshots": "apps_editing",
    "publish-app": "apps_editing",
    "unpublish-app": "apps_editing",
    "remove-app": "apps_editing",
    "export-apps": "apps_reading",
    "diff-apps": "apps_reading",
    "explain": "diagnosing",
    "doctor": "diagnosing",
    "views": "system",
    "create-account": "system",
    "sup": "program",
    "completion": "program",
}
"""Verb → the module of this package that contains it, under its name with underscores."""

SUP_MODULES: Final = ("crossbar_maintenance", "kazoo_documents_maintenance")
"""The modules of KAZOO 4 and KAZOO 5 that contain these functions."""
SUP_FUNCTIONS: Final = {
    "init_apps": (1, 2),
    "init_app": (1, 2),
    "refresh_apps": (1, 2),
    "refresh_app": (1, 2),
    "apps": (0,),
    "app": (1,),
    "set_app_field": (3,),
    "set_app_label": (2,),
    "set_app_description": (2,),
    "set_app_extended_description": (2,),
    "set_app_features": (2,),
    "set_app_icon": (2,),
    "set_app_screenshots": (2,),
    "create_account": (4,),
}
"""Function → the numbers of arguments that it accepts."""


class Verbs(click.Group):
    """A group that imports the module of a command when the command is looked up."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, in the order of the help."""
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

    Exit codes: 0 done, 1 something was refused, 2 wrong usage, 3 CouchDB is away.
    """


def run(argv: Sequence[str] | None) -> int:
    """Run the program; errors become one line on standard error and an exit code."""
    try:
        result = program.main(argv, NAME, standalone_mode=False)
    except click.exceptions.Abort:
        return INTERRUPTED
    except SystemExit as finished:
        # click ends like this after it has printed completions for a shell.
        return finished.code if isinstance(finished.code, int) else DONE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SettingsError as error:
        return _failed(str(error), WRONG_USE)
    except Troubled as error:
        return _failed(f"CouchDB is away: {error}", AWAY)
    except NoMasterAccount as error:
        return _failed(f"{error}; create-account creates the first one", REFUSED)
    except (DatastoreError, EmbeddedError, Unknown) as error:
        return _failed(str(error), REFUSED)
    return result if isinstance(result, int) else DONE


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
        wanted = " or ".join(str(count) for count in SUP_FUNCTIONS[function])
        raise click.UsageError(f"{module}:{function} takes {wanted} arguments, not {given}")
    result = program.main([function.replace("_", "-"), *arguments], NAME, standalone_mode=False)
    return result if isinstance(result, int) else DONE


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


def _failed(message: str, code: int) -> int:
    click.echo(f"Error: {message}", err=True)
    return code
