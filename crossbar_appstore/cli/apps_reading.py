"""``apps``, ``app``, ``export-apps``, ``diff-apps``: show the catalogue, export it, compare it with folders."""

import asyncio
from pathlib import Path
from typing import Final

import click

from crossbar_appstore.appstore.allowed_apps import is_published
from crossbar_appstore.cli.completing import complete_app
from crossbar_appstore.cli.options import dry_run_option, example
from crossbar_appstore.cli.output import Output, database_verb, print_changes, print_remarks, shown
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE, public_fields
from crossbar_appstore.kazoo.values import get, object_at
from crossbar_appstore.maintenance.app_source import find_app_folders
from crossbar_appstore.maintenance.exporting import ExportedApp, State, compare_apps, export_app, export_folders
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from crossbar_appstore.maintenance.reports import Weight

_STYLES: Final = {
    State.SAME: "dim",
    State.DIFFERENT: "cyan",
    State.ONLY_IN_FOLDER: "green",
    State.ONLY_IN_CATALOGUE: "yellow",
    State.UNREADABLE: "bold red",
}


@click.command("apps", epilog=example("apps", "apps --json"))
@database_verb
async def apps(couch: Couch, output: Output) -> int:
    """List the apps."""
    documents = await (await MasterCatalogue.of(couch)).apps()
    headings = ("NAME", "ID", "LABEL", "VERSION", "PHASE", "PUBLISHED", "API_URL")
    output.columns(headings, [_row(document) for document in documents])
    output.json({"apps": [public_fields(document) for document in documents]})
    return DONE


@click.command("app", epilog=example("app voip", "app 5bd7e61a2c5f4e0fb0a3c9d1e2f3a4b5 --json"))
@click.argument("app", metavar="APP", shell_complete=complete_app)
@database_verb
async def app(couch: Couch, output: Output, *, app: str) -> int:
    """Print an app with all its fields.

    APP is its id or name. The revision and the pictures are printed, too.
    """
    document = await (await MasterCatalogue.of(couch)).open(app)
    output.line((f"App {document.get('name')}", "bold"), f"  {document['_id']}  {document['_rev']}")
    _print_fields(output, public_fields(document), indent="  ")
    attachments = object_at(document, "_attachments")
    for name, stub in attachments.items():
        output.line(f"  picture {name}: {stub.get('length', 0):,} bytes, {stub.get('content_type')}")
    output.json({"revision": document["_rev"], "app": public_fields(document), "pictures": attachments})
    return DONE


@click.command("export-apps", epilog=example("export-apps ./backup", "export-apps ./backup voip accounts"))
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.argument("apps", nargs=-1, metavar="[APP]...", shell_complete=complete_app)
@dry_run_option
@database_verb
async def export_apps(couch: Couch, output: Output, *, directory: Path, apps: tuple[str, ...], dry_run: bool) -> int:
    """Export apps as folders.

    Each app becomes a folder below DIRECTORY, which init-apps loads again to the same document. APP is an id or a
    name; without APP, all apps are exported. Existing files are replaced if they differ; none are deleted.
    """
    catalogue = await MasterCatalogue.of(couch)
    # Resolved before the first export, so that an unknown name writes nothing.
    documents = [await catalogue.open(app) for app in apps] if apps else await catalogue.apps()
    exported: list[ExportedApp] = []
    with output.progress("Exporting apps", len(documents)) as step:
        for document, folder in zip(documents, export_folders(directory, documents), strict=True):
            try:
                done = await export_app(catalogue, document, folder, dry_run=dry_run)
            except OSError as error:
                raise click.FileError(str(folder), error.strerror or str(error)) from None
            exported.append(done)
            word = f"{'would be written:' if dry_run else 'wrote'} {done.written} of {done.files} files"
            output.line((word, "cyan" if done.written else "dim"), f"  {done.folder}")
            print_remarks(output, done.remarks, within=done.folder)
            step()
    output.json({"dry_run": dry_run, "apps": [done.as_json() for done in exported]})
    refused = any(remark.weight is Weight.LEFT_OUT for done in exported for remark in done.remarks)
    return REFUSED if refused else DONE


@click.command("diff-apps", epilog=example("diff-apps /var/www/html/monster-ui/apps", "diff-apps ./backup --json"))
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@database_verb
async def diff_apps(couch: Couch, output: Output, *, path: Path) -> int:
    """Compare folders with the catalogue.

    Compares every field and picture of the apps below PATH. Changes are shown from the catalogue to the folder. If
    there are differences, the exit code is 1.
    """
    found = find_app_folders(path)
    documents = await (await MasterCatalogue.of(couch)).apps()
    compared = await asyncio.to_thread(compare_apps, found.folders, documents)
    for app in compared:
        where = f"  {app.folder}" if app.folder else ""
        output.line((f"{app.state:<17}", _STYLES[app.state]), f"  {app.name or '(no name)'}  {app.id or ''}{where}")
        print_changes(output, app.changes, app.pictures)
        print_remarks(output, app.remarks, within=app.folder or "")
    counts = {state: sum(app.state is state for app in compared) for state in State}
    output.line((", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no apps", "bold"), ".")
    output.json({"apps": [app.as_json() for app in compared]})
    return DONE if all(app.state is State.SAME for app in compared) else REFUSED


def _row(document: JsonObject) -> tuple[str, ...]:
    label = get(document, "i18n", DEFAULT_LANGUAGE, "label")
    values = (document.get("name"), document["_id"], label, document.get("version"), document.get("phase"))
    published = "yes" if is_published(document) else "no"
    return (*(_cell(value) for value in values), published, _cell(document.get("api_url")))


def _cell(value: Json) -> str:
    return value if isinstance(value, str) else "" if not isinstance(value, int | float) else shown(value)


def _print_fields(output: Output, fields: JsonObject, *, indent: str) -> None:
    for key, value in fields.items():
        if isinstance(value, dict) and value:
            output.line(f"{indent}{key}:")
            _print_fields(output, value, indent=f"{indent}  ")
        else:
            output.line(f"{indent}{key}: {shown(value, cut=False)}")
