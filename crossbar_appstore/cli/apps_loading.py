"""``init-apps``, ``init-app``, ``refresh-apps``, ``refresh-app``: from folders into the catalogue."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from crossbar_appstore.appstore.metadata import REFRESH_KEYS
from crossbar_appstore.cli.database_verbs import database_verb
from crossbar_appstore.cli.load_reports import print_counts, print_outcome
from crossbar_appstore.cli.options import dry_run_option, example
from crossbar_appstore.cli.output import Output
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance.app_folders import Found, find_app_folders
from crossbar_appstore.maintenance.app_plan import Action, LoadOptions, Mode
from crossbar_appstore.maintenance.loading import LoadRules, load_apps
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue, configuration
from crossbar_appstore.maintenance.picture_files import MAX_PICTURE_BYTES, PictureRules
from crossbar_appstore.maintenance.reports import AppOutcome

_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


def api_url_argument(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """An address of an API, as it is put into apps."""
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter("an address has the form http[s]://host[:port]/v2/")
    if "." in parts.path.rpartition("/")[2] or not parts.path:
        raise click.BadParameter("the web client needs an address whose end holds no dot: http[s]://host[:port]/v2/")
    return value


def _loading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.argument("path", type=_FOLDER),
        click.argument("api_url", required=False, callback=api_url_argument),
        click.option("--lenient", is_flag=True, help="Mend what is plainly wrong in app.json, and say so."),
        click.option("--allow-svg", is_flag=True, help="Load SVG pictures, which can hold scripts."),
        click.option(
            "--max-picture-bytes",
            type=click.IntRange(min=1),
            metavar="BYTES",
            default=MAX_PICTURE_BYTES,
            show_default=True,
            help="Leave out larger pictures.",
        ),
        click.option("--keep-addresses", is_flag=True, help="Take api_url and source_url from app.json."),
        click.option("--remove-old-pictures", is_flag=True, help="Drop pictures that the app does not name any more."),
        dry_run_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


_key_option = click.option(
    "--key",
    "keys",
    multiple=True,
    help=f"Look at this field only; may be repeated.  [refresh_app_keys of KAZOO, else {', '.join(REFRESH_KEYS)}]",
)


@click.command(
    "init-apps",
    epilog=example("init-apps /var/www/html/monster-ui/apps https://api.example.com:8443/v2/"),
)
@_loading_options
@database_verb
async def init_apps(couch: Couch, output: Output, *, path: Path, **how: Any) -> int:
    """Load every app below PATH.

    Apps that the catalogue has already get the API_URL and the pictures only; refresh-apps updates the rest.

    Without API_URL apps get no api_url, and then call the API that the web client itself uses.
    """
    return await _load(couch, output, find_app_folders(path), Mode.INIT, **how)


@click.command(
    "init-app",
    epilog=example("init-app /var/www/html/monster-ui/apps/voip https://api.example.com:8443/v2/"),
)
@_loading_options
@database_verb
async def init_app(couch: Couch, output: Output, *, path: Path, **how: Any) -> int:
    """Load the app in the folder PATH.

    It is the folder that holds metadata/app.json. See init-apps.
    """
    return await _load(couch, output, Found((path,)), Mode.INIT, **how)


@click.command("refresh-apps", epilog=example("refresh-apps --dry-run /var/www/html/monster-ui/apps"))
@_loading_options
@_key_option
@database_verb
async def refresh_apps(couch: Couch, output: Output, *, path: Path, **how: Any) -> int:
    """Load or update every app below PATH.

    Apps that the catalogue has already get what app.json says in the fields named by --key, and the pictures.
    """
    return await _load(couch, output, find_app_folders(path), Mode.REFRESH, **how)


@click.command(
    "refresh-app",
    epilog=example("refresh-app /var/www/html/monster-ui/apps/voip --key i18n --key version"),
)
@_loading_options
@_key_option
@database_verb
async def refresh_app(couch: Couch, output: Output, *, path: Path, **how: Any) -> int:
    """Load or update the app in the folder PATH.

    It is the folder that holds metadata/app.json. See refresh-apps.
    """
    return await _load(couch, output, Found((path,)), Mode.REFRESH, **how)


async def _load(
    couch: Couch,
    output: Output,
    found: Found,
    mode: Mode,
    *,
    api_url: str | None,
    lenient: bool,
    allow_svg: bool,
    max_picture_bytes: int,
    keep_addresses: bool,
    remove_old_pictures: bool,
    dry_run: bool,
    keys: tuple[str, ...] = (),
) -> int:
    options = LoadOptions(mode, api_url, keep_addresses, keys or await _refresh_keys(couch), remove_old_pictures)
    pictures = PictureRules(allow_svg=allow_svg, lenient=lenient, max_bytes=max_picture_bytes)
    rules = LoadRules(options, pictures, lenient=lenient, dry_run=dry_run)
    catalogue = await MasterCatalogue.of(couch)
    with output.progress("Loading apps", len(found.folders)) as step:

        def progress(outcome: AppOutcome) -> None:
            print_outcome(output, outcome, changes=dry_run or outcome.action is Action.UPDATED)
            step()

        report = await load_apps(catalogue, found.folders, rules, progress=progress, remarks=found.remarks)
    print_counts(output, report)
    output.json(report.as_json())
    return DONE if found.folders and not report.has_refusals else REFUSED


async def _refresh_keys(couch: Couch) -> tuple[str, ...]:
    """KAZOO's setting ``crossbar.refresh_app_keys``."""
    configured = await configuration(couch).get("crossbar", "refresh_app_keys")
    keys = configured if isinstance(configured, list) else []
    return tuple(key for key in keys if isinstance(key, str)) or REFRESH_KEYS
