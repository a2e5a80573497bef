"""``set-app-*``, ``publish-app``, ``unpublish-app``, ``remove-app``: change one app of the catalogue."""

import functools
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import click

from crossbar_appstore.cli.completing import complete_app
from crossbar_appstore.cli.options import confirmed, dry_run_option, example, picture_options, yes_option
from crossbar_appstore.cli.output import Output, database_verb, plain, print_changes, print_remarks
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE
from crossbar_appstore.maintenance import editing, installs
from crossbar_appstore.maintenance.app_files import PictureRules
from crossbar_appstore.maintenance.editing import Edit, EditRefused
from crossbar_appstore.maintenance.installs import Count
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from crossbar_appstore.maintenance.many_accounts import select_accounts
from crossbar_appstore.maintenance.reports import DocumentChange

_LOCALE: Final = re.compile(r"[a-z]{2}-[A-Z]{2}")

app_argument = click.argument("app", metavar="APP", shell_complete=complete_app)
_count_option = click.option(
    "--count-installs", is_flag=True, help="Say in how many accounts it is installed, with a request for each account."
)
_picture_options = picture_options("Accept SVG pictures, which can contain scripts.", "Refuse larger pictures.")


def _language(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if _LOCALE.fullmatch(value) is None:
        raise click.BadParameter("a language has the form en-US")
    return value


_language_option = click.option(
    "--language", default=DEFAULT_LANGUAGE, show_default=True, callback=_language, help="Language of the text."
)


def editing_verb(function: Callable[..., Awaitable[int]]) -> Callable[..., int]:
    """Make a ``database_verb`` with ``--dry-run`` that prints the reasons if a change is refused."""

    @functools.wraps(function)
    async def verb(couch: Couch, output: Output, **arguments: Any) -> int:
        try:
            return await function(couch, output, **arguments)
        except EditRefused as refused:
            print_remarks(output, refused.remarks)
            output.json({"refused": [remark.as_json() for remark in refused.remarks]})
            return REFUSED

    return dry_run_option(database_verb(verb))


@click.command("set-app-field", epilog=example("set-app-field voip tags '[\"admin\"]'", "set-app-field voip price 5"))
@app_argument
@click.argument("field")
@click.argument("value")
@click.option("--string", is_flag=True, help="Take VALUE as a text even if it is JSON.")
@editing_verb
async def set_app_field(
    couch: Couch, output: Output, *, app: str, field: str, value: str, string: bool, dry_run: bool
) -> int:
    """Set a field of an app.

    APP is its id or name. VALUE is JSON, or else a text. A FIELD may be a path, such as urls.documentation. The VALUE
    null removes it. Private fields, and values that the schema of apps forbids, are refused.
    """
    change = editing.set_field if string else editing.set_text_or_json
    return await _edit(couch, output, app, change(field.split("."), value), dry_run=dry_run)


def _text_verb(name: str, field: str, sample: str) -> click.Command:
    help_text = f"Set the {field.replace('_', ' ')} of an app.\n\nAPP is its id or name."

    @click.command(name, help=help_text, epilog=example(f"{name} {sample}"))
    @app_argument
    @click.argument("text")
    @_language_option
    @editing_verb
    async def verb(couch: Couch, output: Output, *, app: str, text: str, language: str, dry_run: bool) -> int:
        return await _edit(couch, output, app, editing.set_field(("i18n", language, field), text), dry_run=dry_run)

    return verb


set_app_label = _text_verb("set-app-label", "label", "voip 'Telefonanlage' --language de-DE")
set_app_description = _text_verb("set-app-description", "description", "voip 'Set up and manage phones.'")
set_app_extended_description = _text_verb(
    "set-app-extended-description", "extended_description", "voip 'Everything about phones, and more.'"
)


@click.command("set-app-features", epilog=example("set-app-features voip 'Call flows@Voicemail boxes@Directory'"))
@app_argument
@click.argument("features", nargs=-1, required=True)
@_language_option
@editing_verb
async def set_app_features(
    couch: Couch, output: Output, *, app: str, features: tuple[str, ...], language: str, dry_run: bool
) -> int:
    """Set the features of an app.

    APP is its id or name. Give one argument per feature, or one with @ between them.
    """
    # KAZOO's set_app_features gets one argument, with @ between the features.
    listed = [part for feature in features for part in feature.split("@") if part]
    return await _edit(couch, output, app, editing.set_field(("i18n", language, "features"), listed), dry_run=dry_run)


@click.command("set-app-icon", epilog=example("set-app-icon voip ./SmartPBX_app.png"))
@app_argument
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_picture_options
@editing_verb
async def set_app_icon(couch: Couch, output: Output, *, app: str, picture: Path, **options: Any) -> int:
    """Set the icon of an app.

    APP is its id or name. The PICTURE is attached under the name of its file.
    """
    return await _edit_pictures(couch, output, app, "icon", [picture], **options)


@click.command("set-app-screenshots", epilog=example("set-app-screenshots voip ./screenshots"))
@app_argument
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_picture_options
@editing_verb
async def set_app_screenshots(couch: Couch, output: Output, *, app: str, folder: Path, **options: Any) -> int:
    """Set the screenshots of an app.

    APP is its id or name. The pictures of the FOLDER are attached, in the order of their names.
    """
    pictures = editing.pictures_in(folder)
    if not pictures:
        raise click.BadParameter(f"{folder} contains no pictures", param_hint="FOLDER")
    return await _edit_pictures(couch, output, app, "screenshots", pictures, **options)


def _publishing_verb(name: str, what: str, *, published: bool) -> click.Command:
    help_text = f"{what}\n\nAPP is its id or name. Service plans and permissions may override this."

    @click.command(name, help=help_text, epilog=example(f"{name} voip"))
    @app_argument
    @editing_verb
    async def verb(couch: Couch, output: Output, *, app: str, count_installs: bool = False, dry_run: bool) -> int:
        catalogue = await MasterCatalogue.of(couch)
        edit = await editing.edit_app(catalogue, app, editing.set_published(published), dry_run=dry_run)
        _print(output, edit, await _count(couch, output, edit.id) if count_installs else None)
        return DONE

    return verb


publish_app = _publishing_verb("publish-app", "Make an app visible in the App Exchange.", published=True)
unpublish_app = _count_option(_publishing_verb("unpublish-app", "Hide an app from the App Exchange.", published=False))


@click.command("remove-app", epilog=example("remove-app voip --yes"))
@app_argument
@_count_option
@yes_option
@editing_verb
async def remove_app(couch: Couch, output: Output, *, app: str, count_installs: bool, yes: bool, dry_run: bool) -> int:
    """Delete an app.

    APP is its id or name. export-apps keeps a copy, unpublish-app only hides the app.
    """
    catalogue = await MasterCatalogue.of(couch)
    # Resolved before the question, so that exactly the app in the question is deleted.
    document = await catalogue.open(app)
    count = await _count(couch, output, document["_id"]) if count_installs else None
    question = f"Delete {plain(str(document.get('name')))} ({document['_id']})"
    if count is not None:
        question += f", {_words(count)}"
    if not (yes or dry_run or confirmed(f"{question}?")):
        return output.refused("nothing was removed", {"message": "nothing was removed"})
    _print(output, await editing.remove_app(catalogue, document["_id"], dry_run=dry_run), count)
    return DONE


async def _count(couch: Couch, output: Output, app_id: str) -> Count:
    accounts = await select_accounts(couch, every=True)
    with output.progress("Reading accounts", len(accounts)) as step:
        return await installs.count_installs(couch, app_id, accounts, step)


async def _edit_pictures(
    couch: Couch,
    output: Output,
    app: str,
    field: str,
    paths: list[Path],
    *,
    allow_svg: bool,
    max_picture_bytes: int,
    **options: Any,
) -> int:
    pictures = editing.read_pictures(
        paths, field, PictureRules(allow_svg=allow_svg, max_picture_bytes=max_picture_bytes)
    )
    names = [picture.name for picture in pictures]
    change = editing.set_field([field], names[0] if field == "icon" else names)
    return await _edit(couch, output, app, change, pictures=pictures, **options)


async def _edit(couch: Couch, output: Output, app: str, change: DocumentChange, **options: Any) -> int:
    _print(output, await editing.edit_app(await MasterCatalogue.of(couch), app, change, **options))
    return DONE


def _print(output: Output, edit: Edit, count: Count | None = None) -> None:
    word = "removed" if edit.removed else "updated" if edit.changed else "unchanged"
    style = "cyan" if edit.changed else "dim"
    revision = f"  {edit.revision}" if edit.revision else ""
    prefix = "would be " if edit.dry_run and edit.changed else ""
    output.line((f"{prefix}{word}", style), f"  {edit.name}  {edit.id}{revision}")
    print_changes(output, edit.changes, edit.pictures)
    if count is not None:
        output.line(f"    {_words(count)}")
    output.json(edit.as_json() | ({} if count is None else {"installs": count.as_json()}))


def _words(count: Count) -> str:
    unread = f"; {count.unread} could not be read" if count.unread else ""
    return f"installed in {count.installed} of {count.accounts} accounts{unread}"
