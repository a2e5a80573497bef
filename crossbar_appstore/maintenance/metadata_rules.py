"""What we ask of an app's metadata beyond KAZOO's schema, since the web client would stumble over it."""

import re
from collections.abc import Iterator
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import object_at
from crossbar_appstore.maintenance.remarks import Remark, Weight

DEFAULT_LANGUAGE: Final = "en-US"

_MARKUP: Final = re.compile(r"[<>]")
_ROUTABLE: Final = re.compile(r"[a-z]+(?:-[a-z]+)*")


def has_markup(label: Json) -> bool:
    """Whether a label holds what a browser could take for HTML; the web client inserts labels as they are."""
    return isinstance(label, str) and _MARKUP.search(label) is not None


def is_routable(name: Json) -> bool:
    """Whether the web client can open an app of this name: its addresses know lower-case letters and single dashes."""
    return isinstance(name, str) and _ROUTABLE.fullmatch(name) is not None


def labels(metadata: JsonObject) -> Iterator[tuple[str, Json]]:
    """Each locale with its label; ``None`` where it has none."""
    for locale, texts in object_at(metadata, "i18n").items():
        if isinstance(texts, dict):
            yield locale, texts.get("label")


def markup_remarks(file: str, metadata: JsonObject) -> tuple[Remark, ...]:
    """A refusal for each label with markup."""
    message = "the web client would run it as HTML"
    return tuple(
        Remark(Weight.REFUSED, file, f"i18n.{locale}.label", "markup", message, label)
        for locale, label in labels(metadata)
        if has_markup(label)
    )


def notes(file: str, metadata: JsonObject) -> tuple[Remark, ...]:
    """What is allowed, but rarely meant."""
    found = []
    name, i18n = metadata.get("name"), object_at(metadata, "i18n")
    if not is_routable(name):
        message = "the web client opens apps whose name is of lower-case letters and single dashes only"
        found.append(Remark(Weight.NOTE, file, "name", "routable", message, name))
    if DEFAULT_LANGUAGE not in i18n:
        message = f"has no texts for {DEFAULT_LANGUAGE}, the language of last resort"
        found.append(Remark(Weight.NOTE, file, "i18n", "language", message, sorted(i18n)))
    return tuple(found)
