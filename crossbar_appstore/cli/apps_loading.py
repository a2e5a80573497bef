"""``init-apps``, ``init-app``, ``refresh-apps``, ``refresh-app``: load app folders into the catalogue."""

from pathlib import Path
from typing import Any

import click

from crossbar_appstore.appstore.app_addresses import fault_of_address, trimmed
from crossbar_appstore.appstore.metadata import REFRESH_KEYS
from crossbar_appstore.cli.options import combined, dry_run_option, example, picture_options
from crossbar_appstore.cli.output import Output, database_verb, print_app, print_counts
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance.app_plan import Action, AppPlan, LoadOptions, Mode
from crossbar_appstore.maintenance.app_source import Found, find_app_folders
from crossbar_appstore.maintenance.loading import load_apps
from crossbar_appstore.maintenance.lookup import MasterCatalogue, configuration


def _api_url(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    address = trimmed(value)
    fault = fault_of_address("api_url", address)
    if fault is not None:
        # Without the address, which may hold a password.
        raise click.BadParameter(f"the address {fault[1]}")
    return address


_loading_options = combined(
    click.argument("path", type=click.Path(exists=True, path_type=Path)),
    click.argument("api_url", required=False, callback=_api_url),
    click.option("--lenient", is_flag=True, help="Repair obvious mistakes in app.json, and report them."),
    click.option("--keep-addresses", is_flag=True, help="Take api_url and source_url from app.json."),
    picture_options("Load SVG pictures, which can contain scripts.", "Leave out larger pictures."),
    dry_run_option,
)

_key_option = click.option(
    "--key",
    "keys",
    multiple=True,
    help=f"Update only this field; may be repeated.  [refresh_app_keys of KAZOO, else {', '.join(REFRESH_KEYS)}]",
)


@click.command("init-apps", epilog=example("init-apps /var/www/html/monster-ui/apps https://api.example.com:8443/v2/"))
@_loading_options
@database_verb
async def init_apps(couch: Couch, output: Output, *, path: Path, **options: Any) -> int:
    """Load every app below PATH.

    PATH is a folder, or the metadata/app.json of one app. Apps that the catalogue already has get only the API_URL and
    the pictures; refresh-apps updates the rest.

    Without API_URL, apps get no api_url, and use the API of the web client.
    """
    return await _load(couch, output, find_app_folders(path), Mode.INIT, **options)


@click.command(
    "init-app", epilog=example("init-app /var/www/html/monster-ui/apps/voip https://api.example.com:8443/v2/")
)
@_loading_options
@database_verb
async def init_app(couch: Couch, output: Output, *, path: Path, **options: Any) -> int:
    """Load the app in the folder PATH.

    PATH is the folder that contains metadata/app.json, or that file. See init-apps.
    """
    return await _load(couch, output, Found((path,)), Mode.INIT, **options)


@click.command("refresh-apps", epilog=example("refresh-apps --dry-run /var/www/html/monster-ui/apps"))
@_loading_options
@_key_option
@database_verb
async def refresh_apps(couch: Couch, output: Output, *, path: Path, **options: Any) -> int:
    """Load or update every app below PATH.

    PATH is a folder, or the metadata/app.json of one app. Apps that the catalogue already has get the pictures, and the
    fields named by --key from app.json.
    """
    return await _load(couch, output, find_app_folders(path), Mode.REFRESH, **options)


@click.command("refresh-app", epilog=example("refresh-app /var/www/html/monster-ui/apps/voip --key i18n --key version"))
@_loading_options
@_key_option
@database_verb
async def refresh_app(couch: Couch, output: Output, *, path: Path, **options: Any) -> int:
    """Load or update the app in the folder PATH.

    PATH is the folder that contains metadata/app.json, or that file. See refresh-apps.
    """
    return await _load(couch, output, Found((path,)), Mode.REFRESH, **options)


async def _load(
    couch: Couch, output: Output, found: Found, mode: Mode, *, keys: tuple[str, ...] = (), **options: Any
) -> int:
    chosen = LoadOptions(mode=mode, refresh_keys=keys or await _refresh_keys(couch), **options)
    catalogue = await MasterCatalogue.of(couch)
    with output.progress("Loading apps", len(found.folders)) as step:
        # Printed as each app is done: loading many pictures takes minutes.
        def progress(app: AppPlan) -> None:
            changes = chosen.dry_run or app.action is Action.UPDATED
            print_app(output, app, changes=changes, dry_run=chosen.dry_run)
            step()

        report = await load_apps(catalogue, found.folders, chosen, progress=progress, remarks=found.remarks)
    print_counts(output, report)
    output.json(report.as_json())
    # A path without apps is most likely a wrong path.
    return DONE if found.folders and not report.has_refusals else REFUSED


async def _refresh_keys(couch: Couch) -> tuple[str, ...]:
    """KAZOO's setting ``crossbar.refresh_app_keys``."""
    configured = await configuration(couch).get("crossbar", "refresh_app_keys")
    keys = configured if isinstance(configured, list) else []
    return tuple(key for key in keys if isinstance(key, str)) or REFRESH_KEYS
