"""What is required of an app's metadata beyond KAZOO's schema, and the repairs of lenient mode."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from crossbar_appstore.appstore.app_addresses import (
    ADDRESS_KEYS,
    fault_of_address,
    is_relative,
    trimmed,
    without_credentials,
)
from crossbar_appstore.appstore.listing import has_markup, language_for_default
from crossbar_appstore.appstore.metadata import validate_app
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE
from crossbar_appstore.kazoo.values import as_number, get, object_at
from crossbar_appstore.maintenance.reports import Remark, Weight
from crossbar_appstore.package_data import load_schema

NOT_ROUTABLE: Final = "the web client opens only apps whose name consists of lower-case letters and single dashes"

_TAG: Final = re.compile(r"<[^<>]*>|[<>]")
_ROUTABLE: Final = re.compile(r"[a-z]+(?:-[a-z]+)*")
_LOCALE: Final = re.compile(r"([A-Za-z]{2})[-_]([A-Za-z]{2})")
_NO_LIST: Final = "a single value in place of a list"
_SCHEMA: Final = load_schema("app")
(_TEXTS_SCHEMA,) = _SCHEMA["properties"]["i18n"]["patternProperties"].values()


def is_routable(name: Json) -> bool:
    """Whether the web client can open an app of this name."""
    return isinstance(name, str) and _ROUTABLE.fullmatch(name) is not None


def faults(file: str, metadata: JsonObject) -> Iterator[Remark]:
    """A refusal for each error by KAZOO's schema, and for each label that contains markup."""
    for where, rules in validate_app(metadata).items():
        for rule, details in rules.items():
            message = str(details.get("message", ""))
            yield Remark(Weight.REFUSED, file, where, rule, message, details.get("value"))
    for locale, texts in object_at(metadata, "i18n").items():
        label = get(texts, "label")
        if has_markup(label):
            message = "the web client would run it as HTML"
            yield Remark(Weight.REFUSED, file, f"i18n.{locale}.label", "markup", message, label)


def address_remarks(file: str, metadata: JsonObject) -> Iterator[Remark]:
    """A refusal for each address that must not be stored, a note for each relative one; for metadata that are stored.

    The ``value`` of a remark contains no user and password.
    """
    for key in ADDRESS_KEYS:
        address = metadata.get(key)
        if not isinstance(address, str):
            continue
        fault = fault_of_address(key, address)
        if fault is not None:
            yield Remark(Weight.REFUSED, file, key, *fault, without_credentials(address))
        elif is_relative(address):
            message = "is relative: browsers complete it by the address of the web client's page"
            yield Remark(Weight.NOTE, file, key, "relative", message, address)


def with_trimmed_addresses(file: str, metadata: JsonObject) -> tuple[JsonObject, list[Remark]]:
    """The metadata without blanks and control characters around addresses, and a note for each address changed."""
    made = {key: trimmed(metadata[key]) for key in ADDRESS_KEYS if isinstance(metadata.get(key), str)}
    message = "the blanks and control characters around it are left out"
    remarks = [
        Remark(Weight.NOTE, file, key, "blanks", message, without_credentials(metadata[key]))
        for key in made
        if made[key] != metadata[key]
    ]
    return {**metadata, **made}, remarks


def notes(file: str, metadata: JsonObject) -> Iterator[Remark]:
    """Notes about metadata that are allowed, but probably a mistake."""
    name, i18n = metadata.get("name"), object_at(metadata, "i18n")
    if not is_routable(name):
        yield Remark(Weight.NOTE, file, "name", "routable", NOT_ROUTABLE, name)
    if DEFAULT_LANGUAGE not in i18n:
        yield Remark(Weight.NOTE, file, "i18n", "language", no_default_texts(i18n), sorted(i18n))


def no_default_texts(i18n: JsonObject) -> str:
    """What is said of an app without texts in the default language (D28)."""
    message = f"has no texts in {DEFAULT_LANGUAGE}, without which the web client 4.3 shows no page"
    return f"{message}; those in {language_for_default(i18n)} are shown in their place" if i18n else message


def repaired(file: str, metadata: JsonObject, icons: Iterable[str]) -> tuple[JsonObject, tuple[Remark, ...]]:
    """Repair metadata where the intention is clear (``--lenient``); ``icons`` are the files in ``metadata/icon``.

    Returns:
        The repaired metadata, as a new object, and a remark for each change.
    """
    repair = _Repair(file, dict(metadata))
    repair.nulls()
    repair.numbers()
    repair.required(tuple(icons))
    repair.lists()
    repair.i18n()
    return repair.metadata, tuple(repair.remarks)


@dataclass(slots=True)
class _Repair:
    """A repair in progress."""

    file: str
    metadata: JsonObject
    remarks: list[Remark] = field(default_factory=list)

    def nulls(self) -> None:
        """Null counts as absent in every optional field."""
        self.metadata = self._without_nulls("", self.metadata, _SCHEMA)
        i18n = self.metadata.get("i18n")
        if isinstance(i18n, dict):
            self.metadata["i18n"] = {
                locale: self._without_nulls(f"i18n.{locale}.", texts, _TEXTS_SCHEMA)
                for locale, texts in self._without_nulls("i18n.", i18n).items()
            }

    def _without_nulls(self, where: str, value: Json, schema: JsonObject | None = None) -> Json:
        """An object without the nulls of optional fields, by default of all fields; any other value as it is."""
        if not isinstance(value, dict):
            return value
        optional = value.keys() if schema is None else schema["properties"].keys() - schema["required"]
        absent = [key for key in value if value[key] is None and key in optional]
        for key in absent:
            self._remark(f"{where}{key}", "type", "null counts as absent", None)
        return {key: member for key, member in value.items() if key not in absent}

    def numbers(self) -> None:
        price = self.metadata.get("price")
        number = as_number(price) if isinstance(price, str) else None
        if price is None or price == "":
            self._set("price", 0, "required", "an app without a price is free")
        elif number is not None:
            whole = int(number)  # KAZOO's JSON encoder writes 2.0 as 2.
            self._set("price", whole if whole == number else number, "type", "a price is a number")
        version = self.metadata.get("version")
        if isinstance(version, int | float) and not isinstance(version, bool):
            self._set("version", str(version), "type", "a version is a text")

    def required(self, icons: tuple[str, ...]) -> None:
        # The schema requires an api_url, although loading replaces or drops it.
        if not isinstance(self.metadata.get("api_url"), str):
            self._set("api_url", "", "required", "an app without an address uses the API of the web client")
        if self.metadata.get("license") is None:
            # KAZOO's own apps name this one.
            self._set("license", "-", "required", "no licence is named")
        if self.metadata.get("icon") in (None, "") and len(icons) == 1:
            self._set("icon", icons[0], "required", "the only file in metadata/icon is the icon")
        elif self.metadata.get("icon") is None:
            self._set("icon", "", "required", "there is no icon")

    def lists(self) -> None:
        for key in ("tags", "screenshots"):
            value = self.metadata.get(key)
            if isinstance(value, str):
                self._set(key, [value] if value else [], "type", _NO_LIST)
            elif isinstance(value, list) and "" in value:
                self._set(key, [member for member in value if member != ""], "name", "empty names are left out")

    def i18n(self) -> None:
        i18n = object_at(self.metadata, "i18n")
        if not i18n:
            return
        # Repaired locale by locale, so that a later one can take over a repaired text of an earlier one.
        self.metadata["i18n"] = repairing = dict(self._locales(i18n))
        for locale, texts in repairing.items():
            if isinstance(texts, dict):
                repairing[locale] = self._texts(f"i18n.{locale}", texts)

    def _locales(self, i18n: JsonObject) -> Iterator[tuple[str, Json]]:
        """``en_US`` and ``en-us`` become ``en-US``, KAZOO's spelling, unless that exists as well."""
        for locale, texts in i18n.items():
            match = _LOCALE.fullmatch(locale)
            proper = f"{match[1].lower()}-{match[2].upper()}" if match else locale
            if proper != locale and proper not in i18n:
                self._remark(f"i18n.{locale}", "locale", f"a locale is written {proper}", locale)
                yield proper, texts
            else:
                yield locale, texts

    def _texts(self, where: str, texts: JsonObject) -> JsonObject:
        """The texts of one locale."""
        repairing = dict(texts)
        label, features = texts.get("label"), texts.get("features")
        if isinstance(label, str) and has_markup(label):
            repairing["label"] = _TAG.sub("", label).strip()
            self._remark(f"{where}.label", "markup", "markup is removed", label)
        for key in ("label", "description"):
            found = self._fallback(key) if repairing.get(key) in (None, "") else None
            if found is not None:
                self._remark(f"{where}.{key}", "required", f"the {key} is taken over: {found!r}", texts.get(key))
                repairing[key] = found
        if isinstance(features, str):
            repairing["features"] = [features] if features else []
            self._remark(f"{where}.features", "type", _NO_LIST, features)
        return repairing

    def _fallback(self, key: str) -> str | None:
        """The text of the default language, of the first other one that has it, or the app's name."""
        i18n = object_at(self.metadata, "i18n")
        stated = (object_at(i18n, locale).get(key) for locale in (DEFAULT_LANGUAGE, *i18n))
        candidates = (*stated, self.metadata.get("name"))
        return next((text for text in candidates if isinstance(text, str) and text and not has_markup(text)), None)

    def _set(self, key: str, value: Json, rule: str, message: str) -> None:
        self._remark(key, rule, message, self.metadata.get(key))
        self.metadata[key] = value

    def _remark(self, where: str, rule: str, message: str, value: Json) -> None:
        self.remarks.append(Remark(Weight.REPAIRED, self.file, where, rule, message, value))
