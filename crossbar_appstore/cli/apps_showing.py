"""``apps`` and ``app``: what the catalogue holds."""

import click

from crossbar_appstore.appstore.allowed_apps import is_published
from crossbar_appstore.cli.database_verbs import database_verb
from crossbar_appstore.cli.options import example
from crossbar_appstore.cli.output import Output, shown
from crossbar_appstore.cli.program import DONE
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import public_fields
from crossbar_appstore.kazoo.values import get, object_at
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue
from crossbar_appstore.maintenance.metadata_rules import DEFAULT_LANGUAGE


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
@click.argument("app", metavar="APP")
@database_verb
async def app(couch: Couch, output: Output, *, app: str) -> int:
    """Show an app.

    APP is its id or name. Every field, the revision and the pictures are shown.
    """
    document = await (await MasterCatalogue.of(couch)).open(app)
    output.line((f"App {document.get('name')}", "bold"), f"  {document['_id']}  {document['_rev']}")
    _print_fields(output, public_fields(document), depth=1)
    attachments = object_at(document, "_attachments")
    for name, stub in attachments.items():
        output.line(f"  picture {name}: {stub.get('length', 0):,} bytes, {stub.get('content_type')}")
    output.json({"revision": document["_rev"], "app": public_fields(document), "pictures": attachments})
    return DONE


def _row(document: JsonObject) -> tuple[str, ...]:
    label = get(document, "i18n", DEFAULT_LANGUAGE, "label")
    values = (document.get("name"), document["_id"], label, document.get("version"), document.get("phase"))
    published = "yes" if is_published(document) else "no"
    return (*(_cell(value) for value in values), published, _cell(document.get("api_url")))


def _cell(value: Json) -> str:
    return value if isinstance(value, str) else "" if not isinstance(value, int | float) else shown(value)


def _print_fields(output: Output, fields: JsonObject, *, depth: int) -> None:
    indent = "  " * depth
    for key, value in fields.items():
        if isinstance(value, dict) and value:
            output.line(f"{indent}{key}:")
            _print_fields(output, value, depth=depth + 1)
        else:
            output.line(f"{indent}{key}: {shown(value, cut=False)}")
