"""``set-app-*``, ``publish-app``, ``unpublish-app``, ``remove-app``: changes to one app of the catalogue."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from crossbar_appstore.cli.database_verbs import database_verb
from crossbar_appstore.cli.load_reports import picture_parts, print_change, print_remark
from crossbar_appstore.cli.options import dry_run_option, example
from crossbar_appstore.cli.output import Output, plain
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance import editing
from crossbar_appstore.maintenance.editing import NO_PICTURES, Change, Edit, EditRefused, Pictures
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue
from crossbar_appstore.maintenance.metadata_rules import DEFAULT_LANGUAGE
from crossbar_appstore.maintenance.picture_files import MAX_PICTURE_BYTES, PictureRules

_LOCALE: Final = re.compile(r"[a-z]{2}-[A-Z]{2}")
_FEATURE_SEPARATOR: Final = "@"
"""What ``sup`` takes between features."""

app_argument = click.argument("app", metavar="APP")


def _language(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if _LOCALE.fullmatch(value) is None:
        raise click.BadParameter("a language has the form en-US")
    return value


_language_option = click.option(
    "--language", default=DEFAULT_LANGUAGE, show_default=True, callback=_language, help="Language of the text."
)


def _picture_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--allow-svg", is_flag=True, help="Take SVG pictures, which can hold scripts."),
        click.option(
            "--max-picture-bytes",
            type=click.IntRange(min=1),
            metavar="BYTES",
            default=MAX_PICTURE_BYTES,
            show_default=True,
            help="Refuse larger pictures.",
        ),
        click.option("--remove-old-pictures", is_flag=True, help="Drop pictures that the app does not name any more."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command("set-app-field", epilog=example("set-app-field voip tags '[\"admin\"]'", "set-app-field voip price 5"))
@app_argument
@click.argument("field")
@click.argument("value")
@click.option("--string", is_flag=True, help="Take VALUE as a text even if it is JSON.")
@dry_run_option
@database_verb
async def set_app_field(
    couch: Couch, output: Output, *, app: str, field: str, value: str, string: bool, dry_run: bool
) -> int:
    """Set a field of an app.

    APP is its id or name. VALUE is JSON, or else a text. A FIELD may be a path, such as urls.documentation. The VALUE
    null removes it. Private fields, and values that the schema of apps forbids, are refused.
    """
    path = field.split(".")
    return await _edit(
        couch,
        output,
        app,
        lambda: editing.set_field(path, value) if string else editing.set_text_or_json(path, value),
        dry_run=dry_run,
    )


def _text_verb(name: str, field: str, sample: str) -> click.Command:
    """A verb that sets one of an app's texts."""

    @click.command(
        name,
        help=f"Set the {field.replace('_', ' ')} of an app.\n\nAPP is its id or name.",
        epilog=example(f"{name} {sample}"),
    )
    @app_argument
    @click.argument("text")
    @_language_option
    @dry_run_option
    @database_verb
    async def verb(couch: Couch, output: Output, *, app: str, text: str, language: str, dry_run: bool) -> int:
        return await _edit(
            couch, output, app, lambda: editing.set_field(("i18n", language, field), text), dry_run=dry_run
        )

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
@dry_run_option
@database_verb
async def set_app_features(
    couch: Couch, output: Output, *, app: str, features: tuple[str, ...], language: str, dry_run: bool
) -> int:
    """Set the features of an app.

    APP is its id or name. One argument each, or one with @ between them.
    """
    listed = [part for feature in features for part in feature.split(_FEATURE_SEPARATOR) if part]
    return await _edit(
        couch, output, app, lambda: editing.set_field(("i18n", language, "features"), listed), dry_run=dry_run
    )


@click.command("set-app-icon", epilog=example("set-app-icon voip ./SmartPBX_app.png"))
@app_argument
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_picture_options
@dry_run_option
@database_verb
async def set_app_icon(couch: Couch, output: Output, *, app: str, picture: Path, **how: Any) -> int:
    """Set the icon of an app.

    APP is its id or name. The PICTURE is attached under its file's name.
    """
    return await _edit_pictures(couch, output, app, "icon", [picture], **how)


@click.command("set-app-screenshots", epilog=example("set-app-screenshots voip ./screenshots"))
@app_argument
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_picture_options
@dry_run_option
@database_verb
async def set_app_screenshots(couch: Couch, output: Output, *, app: str, folder: Path, **how: Any) -> int:
    """Set the screenshots of an app.

    APP is its id or name. The pictures of the FOLDER are attached, in the order of their names.
    """
    pictures = editing.pictures_in(folder)
    if not pictures:
        raise click.BadParameter(f"{folder} holds no pictures", param_hint="FOLDER")
    return await _edit_pictures(couch, output, app, "screenshots", pictures, **how)


def _publishing_verb(name: str, *, published: bool) -> click.Command:
    """A verb that shows an app, or hides it."""
    what = "Show an app." if published else "Hide an app."

    @click.command(
        name,
        help=f"{what}\n\nAPP is its id or name. Service plans and permissions may say otherwise.",
        epilog=example(f"{name} voip"),
    )
    @app_argument
    @dry_run_option
    @database_verb
    async def verb(couch: Couch, output: Output, *, app: str, dry_run: bool) -> int:
        return await _edit(couch, output, app, lambda: editing.set_published(published), dry_run=dry_run)

    return verb


publish_app = _publishing_verb("publish-app", published=True)
unpublish_app = _publishing_verb("unpublish-app", published=False)


@click.command("remove-app", epilog=example("remove-app voip --yes"))
@app_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@database_verb
async def remove_app(couch: Couch, output: Output, *, app: str, yes: bool, dry_run: bool) -> int:
    """Delete an app.

    APP is its id or name. export-apps keeps a copy, unpublish-app only hides the app.
    """
    catalogue = await MasterCatalogue.of(couch)
    document = await catalogue.open(app)
    question = f"Delete {plain(str(document.get('name')))} ({document['_id']})?"
    if not (yes or dry_run or click.confirm(question, err=True)):
        output.aside("Nothing was removed.")
        return REFUSED
    _print(output, await editing.remove_app(catalogue, document["_id"], dry_run=dry_run))
    return DONE


async def _edit_pictures(
    couch: Couch,
    output: Output,
    app: str,
    field: str,
    paths: list[Path],
    *,
    allow_svg: bool,
    max_picture_bytes: int,
    remove_old_pictures: bool,
    dry_run: bool,
) -> int:
    rules = PictureRules(allow_svg=allow_svg, max_bytes=max_picture_bytes)
    try:
        files = editing.read_pictures(paths, field, rules)
    except EditRefused as refused:
        return _refused(output, refused)
    names = [file.name for file in files]
    change = editing.set_pictures(names[0], None) if field == "icon" else editing.set_pictures(None, names)
    pictures = Pictures(files, remove_old_pictures)
    return await _edit(couch, output, app, lambda: change, pictures=pictures, dry_run=dry_run)


async def _edit(
    couch: Couch,
    output: Output,
    app: str,
    change: Callable[[], Change],
    *,
    pictures: Pictures = NO_PICTURES,
    dry_run: bool,
) -> int:
    try:
        edit = await editing.edit_app(
            await MasterCatalogue.of(couch), app, change(), pictures=pictures, dry_run=dry_run
        )
    except EditRefused as refused:
        return _refused(output, refused)
    _print(output, edit)
    return DONE


def _refused(output: Output, refused: EditRefused) -> int:
    for remark in refused.remarks:
        print_remark(output, remark)
    output.json({"refused": [remark.as_json() for remark in refused.remarks]})
    return REFUSED


def _print(output: Output, edit: Edit) -> None:
    word = "removed" if edit.removed else "updated" if edit.changed else "unchanged"
    style = "cyan" if edit.changed else "dim"
    revision = f"  {edit.revision}" if edit.revision else ""
    prefix = "would be " if edit.dry_run and edit.changed else ""
    output.line((f"{prefix}{word}", style), f"  {edit.name}  {edit.app_id}{revision}")
    for change in edit.changes:
        print_change(output, change)
    for picture in edit.pictures:
        output.line("    ", *picture_parts(picture))
    output.json(edit.as_json())
