"""Lenient mode: mending what is wrong with metadata where it is plain what was meant, and saying so."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import as_number, object_at
from crossbar_appstore.maintenance.metadata_rules import DEFAULT_LANGUAGE, has_markup
from crossbar_appstore.maintenance.remarks import Remark, Weight

NO_LICENSE: Final = "-"
"""What KAZOO's own apps say of their licence."""

_TAG: Final = re.compile(r"<[^<>]*>|[<>]")
_LOCALE: Final = re.compile(r"([A-Za-z]{2})[-_]([A-Za-z]{2})")
_LISTS: Final = ("tags", "screenshots")


@dataclass(slots=True)
class _Mending:
    """Metadata while they are being mended."""

    file: str
    metadata: JsonObject
    remarks: list[Remark] = field(default_factory=list)

    def say(self, where: str, rule: str, message: str, value: Json) -> None:
        self.remarks.append(Remark(Weight.REPAIRED, self.file, where, rule, message, value))

    def put(self, key: str, value: Json, rule: str, message: str) -> None:
        self.say(key, rule, message, self.metadata.get(key))
        self.metadata[key] = value


def mended(file: str, metadata: JsonObject, icons: Iterable[str]) -> tuple[JsonObject, tuple[Remark, ...]]:
    """Metadata as they were probably meant, in a new object, with a remark for each thing that was changed.

    Args:
        file: for the remarks.
        metadata: the content of ``app.json``.
        icons: the names of the files in ``metadata/icon``.
    """
    work = _Mending(file, dict(metadata))
    _mend_numbers(work)
    _mend_addresses(work)
    _mend_lists(work)
    _mend_icon(work, tuple(icons))
    _mend_texts(work)
    return work.metadata, tuple(work.remarks)


def _mend_numbers(work: _Mending) -> None:
    price = work.metadata.get("price")
    number = as_number(price) if isinstance(price, str) else None
    if price is None or price == "":
        work.put("price", 0, "required", "an app without a price is free")
    elif number is not None:
        # 2.00 is the number 2 in every JSON of KAZOO's.
        whole = int(number)
        work.put("price", whole if whole == number else number, "type", "a price is a number")
    version = work.metadata.get("version")
    if isinstance(version, int | float) and not isinstance(version, bool):
        work.put("version", str(version), "type", "a version is a text")


def _mend_addresses(work: _Mending) -> None:
    # The schema asks for an api_url, though it is replaced or left out before anything is saved.
    if not isinstance(work.metadata.get("api_url"), str):
        work.put("api_url", "", "required", "an app without an address calls the API that the web client uses")
    if "license" not in work.metadata:
        work.put("license", NO_LICENSE, "required", "no licence is named")


def _mend_lists(work: _Mending) -> None:
    for key in _LISTS:
        value = work.metadata.get(key)
        if isinstance(value, str):
            work.put(key, [value] if value else [], "type", "one value stands where a list belongs")
        elif isinstance(value, list) and "" in value:
            work.put(key, [member for member in value if member != ""], "name", "empty names are left out")


def _mend_icon(work: _Mending, icons: tuple[str, ...]) -> None:
    if work.metadata.get("icon") in (None, "") and len(icons) == 1:
        work.put("icon", icons[0], "required", "the only file in metadata/icon is the icon")
    elif work.metadata.get("icon") is None:
        work.put("icon", "", "required", "there is no icon")


def _mend_texts(work: _Mending) -> None:
    i18n = object_at(work.metadata, "i18n")
    if not i18n:
        return
    work.metadata["i18n"] = mending = dict(_locales(work, i18n))
    for locale, texts in mending.items():
        if isinstance(texts, dict):
            mending[locale] = _mended_locale(work, locale, texts)


def _locales(work: _Mending, i18n: JsonObject) -> Iterator[tuple[str, Json]]:
    """``en_US`` and ``en-us`` under the spelling that KAZOO knows, unless that is there too."""
    for locale, texts in i18n.items():
        match = _LOCALE.fullmatch(locale)
        proper = f"{match[1].lower()}-{match[2].upper()}" if match else locale
        if proper != locale and proper not in i18n:
            work.say(f"i18n.{locale}", "locale", f"a locale is written {proper}", locale)
            yield proper, texts
        else:
            yield locale, texts


def _mended_locale(work: _Mending, locale: str, texts: JsonObject) -> JsonObject:
    where = f"i18n.{locale}"
    mending = dict(texts)
    label, features = texts.get("label"), texts.get("features")
    if isinstance(label, str) and has_markup(label):
        mending["label"] = _TAG.sub("", label).strip()
        work.say(f"{where}.label", "markup", "markup is left out", label)
    for key in ("label", "description"):
        found = _fallback(work, key) if mending.get(key) in (None, "") else None
        if found is not None:
            work.say(f"{where}.{key}", "required", f"the {key} is {found!r} as elsewhere", texts.get(key))
            mending[key] = found
    if isinstance(features, str):
        mending["features"] = [features] if features else []
        work.say(f"{where}.features", "type", "one value stands where a list belongs", features)
    return mending


def _fallback(work: _Mending, key: str) -> str | None:
    """The text of the first other language that has one, else the app's name."""
    i18n = object_at(work.metadata, "i18n")
    stated = (object_at(i18n, locale).get(key) for locale in (DEFAULT_LANGUAGE, *i18n))
    candidates = (*stated, work.metadata.get("name"))
    return next((text for text in candidates if isinstance(text, str) and text and not has_markup(text)), None)
