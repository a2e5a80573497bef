"""``export-apps`` and ``diff-apps``: the catalogue as folders."""

import asyncio
from pathlib import Path
from typing import Final

import click

from crossbar_appstore.cli.database_verbs import database_verb
from crossbar_appstore.cli.load_reports import picture_parts, print_change, print_remark
from crossbar_appstore.cli.options import dry_run_option, example
from crossbar_appstore.cli.output import Output
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance.app_folders import find_app_folders
from crossbar_appstore.maintenance.comparing import ComparedApp, State, compare_apps
from crossbar_appstore.maintenance.exporting import ExportedApp, export_app, export_folders
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue
from crossbar_appstore.maintenance.remarks import Weight

_STYLES: Final = {
    State.SAME: "dim",
    State.DIFFERENT: "cyan",
    State.ONLY_IN_FOLDER: "green",
    State.ONLY_IN_CATALOGUE: "yellow",
    State.UNREADABLE: "bold red",
}


@click.command("export-apps", epilog=example("export-apps ./backup", "export-apps ./backup voip accounts"))
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.argument("apps", nargs=-1, metavar="[APP]...")
@dry_run_option
@database_verb
async def export_apps(couch: Couch, output: Output, *, directory: Path, apps: tuple[str, ...], dry_run: bool) -> int:
    """Write apps back as folders.

    Each becomes a folder below DIRECTORY, which init-apps loads again to the same document. Without APP (ids or
    names) all of them. Files that are there are replaced where they differ; none are deleted.
    """
    catalogue = await MasterCatalogue.of(couch)
    documents = [await catalogue.open(app) for app in apps] if apps else await catalogue.apps()
    exported: list[ExportedApp] = []
    with output.progress("Exporting apps", len(documents)) as step:
        for document, folder in zip(documents, export_folders(directory, documents), strict=True):
            try:
                done = await export_app(catalogue, document, folder, dry_run=dry_run)
            except OSError as error:
                raise click.FileError(str(folder), error.strerror or str(error)) from None
            exported.append(done)
            _print_exported(output, done, dry_run=dry_run)
            step()
    output.json({"dry_run": dry_run, "apps": [done.as_json() for done in exported]})
    refused = any(remark.weight is Weight.LEFT_OUT for done in exported for remark in done.remarks)
    return REFUSED if refused else DONE


@click.command("diff-apps", epilog=example("diff-apps /var/www/html/monster-ui/apps", "diff-apps ./backup --json"))
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@database_verb
async def diff_apps(couch: Couch, output: Output, *, path: Path) -> int:
    """Compare folders with the catalogue.

    Every field and picture of the apps below PATH is compared. Differences are shown from the catalogue to the folder,
    and make the exit code 1.
    """
    found = find_app_folders(path)
    documents = await (await MasterCatalogue.of(couch)).apps()
    compared = await asyncio.to_thread(compare_apps, found.folders, documents)
    for app in compared:
        _print_compared(output, app)
    counts = {state: sum(app.state is state for app in compared) for state in State}
    output.line((", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no apps", "bold"), ".")
    output.json({"apps": [app.as_json() for app in compared]})
    return DONE if all(app.state is State.SAME for app in compared) else REFUSED


def _print_exported(output: Output, app: ExportedApp, *, dry_run: bool) -> None:
    verb = "would write" if dry_run else "wrote"
    output.line((f"{verb} {app.written} of {app.files} files", "cyan" if app.written else "dim"), f"  {app.folder}")
    for remark in app.remarks:
        print_remark(output, remark, within=app.folder)


def _print_compared(output: Output, app: ComparedApp) -> None:
    where = f"  {app.folder}" if app.folder else ""
    output.line((f"{app.state:<17}", _STYLES[app.state]), f"  {app.name or '(no name)'}  {app.app_id or ''}{where}")
    for change in app.changes:
        print_change(output, change)
    for picture in app.pictures:
        output.line("    ", *picture_parts(picture))
    for remark in app.remarks:
        print_remark(output, remark, within=app.folder or "")
