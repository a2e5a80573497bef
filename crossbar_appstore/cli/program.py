"""The program and its verbs, each imported when it is asked for; and what an error is to the shell."""

import importlib
from collections.abc import Sequence
from typing import Final

import click

import crossbar_appstore.certificates  # noqa: F401 (before all others: see there)
from crossbar_appstore import __version__
from crossbar_appstore.datastore.errors import DatastoreError, NoMasterAccount, Troubled
from crossbar_appstore.embedded.errors import EmbeddedError
from crossbar_appstore.maintenance.master_catalogue import AmbiguousName, UnknownApp
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
    "apps": "apps_showing",
    "app": "apps_showing",
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
    "export-apps": "apps_exporting",
    "diff-apps": "apps_exporting",
    "explain": "explaining",
    "doctor": "checking",
    "views": "views",
    "create-account": "accounts",
    "sup": "sup",
    "completion": "completion",
}
"""Verb → the module of this package that has it, under its name with underscores."""


class Verbs(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command; ``None`` if there is none."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"crossbar_appstore.cli.{VERBS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(NAME, cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name=NAME)
def program() -> None:
    """KAZOO's app-store endpoint as a service of its own, and the tools to look after its apps.

    Settings come from options, else from environment variables of the same names (--couchdb-url: COUCHDB_URL).

    Exit codes: 0 done, 1 something was refused, 2 wrong use, 3 CouchDB is away.
    """


def run(argv: Sequence[str] | None) -> int:
    """Run the program; what goes wrong is one line on standard error and an exit code."""
    try:
        result = program.main(argv, NAME, standalone_mode=False)
    except click.exceptions.Abort:
        return INTERRUPTED
    except SystemExit as finished:
        # A shell asked for words, and click has told them.
        return finished.code if isinstance(finished.code, int) else DONE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SettingsError as error:
        return _said(str(error), WRONG_USE)
    except Troubled as error:
        return _said(f"CouchDB is away: {error}", AWAY)
    except (UnknownApp, AmbiguousName) as error:
        return _said(str(error), REFUSED)
    except NoMasterAccount as error:
        return _said(f"{error}; create-account makes the first one", REFUSED)
    except (DatastoreError, EmbeddedError) as error:
        return _said(str(error), REFUSED)
    return result if isinstance(result, int) else DONE


def _said(message: str, code: int) -> int:
    click.echo(f"Error: {message}", err=True)
    return code
