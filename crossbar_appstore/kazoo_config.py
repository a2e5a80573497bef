"""KAZOO's ``config.ini``: where its CouchDB and its message broker are.

Several sections may have one name. One with a ``host`` counts on that host alone and there before all others, one with
a ``zone`` in that zone before those without (``kz_config:get_sections/2``).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_SECTION = re.compile(r"\[\s*([^\]]+?)\s*\]")
_COMMENT = re.compile(r"(?:^|\s)[;#].*$")


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its name and each key's values in the order of the file."""

    name: str
    values: dict[str, list[str]]

    def first(self, key: str) -> str | None:
        """The first value of a key, or None where it is missing or empty."""
        return next(filter(None, self.values.get(key, ())), None)


@dataclass(frozen=True, slots=True)
class KazooConfig:
    """What we take from ``config.ini``; what is missing there has KAZOO's default (``kazoo_config.hrl``)."""

    ip: str
    port: str
    username: str | None
    password: str | None = field(repr=False)
    amqp_uri: str | None = field(repr=False)


def read_config_ini(text: str, *, host: str, zone: str) -> KazooConfig:
    """Read the text of a ``config.ini`` as the node in ``zone`` on ``host`` does.

    Raises:
        ValueError: a line is neither section, key, comment nor empty; the message names its number.
    """
    sections = parse_ini(text)
    data = _local(sections, "data", host, zone)
    # [data] config names the section that says where CouchDB is (kz_dataconfig).
    bigcouch = _local(sections, (data and data.first("config")) or "bigcouch", host, zone) or Section("bigcouch", {})
    return KazooConfig(
        ip=bigcouch.first("ip") or "localhost",
        port=bigcouch.first("port") or "5984",
        username=bigcouch.first("username"),
        password=bigcouch.first("password"),
        amqp_uri=_amqp_uri(sections, host, zone),
    )


def parse_ini(text: str) -> list[Section]:
    """Sections in the order of the file. Comments start with ``;`` or ``#``, values may stand in quotes.

    Raises:
        ValueError: see ``read_config_ini``.
    """
    sections: list[Section] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        bare = line.strip()
        if not bare or bare[0] in ";#":
            continue
        if header := _SECTION.match(bare):
            sections.append(Section(header[1], {}))
            continue
        key, equals, value = bare.partition("=")
        if not equals or not sections:
            raise ValueError(f"line {number} is neither [section] nor key = value")
        sections[-1].values.setdefault(key.strip(), []).append(_unquoted(value.strip()))
    return sections


def _unquoted(value: str) -> str:
    for quote in "\"'":
        if value.startswith(quote):
            inner, closing, _comment = value[1:].partition(quote)
            return inner if closing else value
    return _COMMENT.sub("", value).strip()


def _amqp_uri(sections: Iterable[Section], host: str, zone: str) -> str | None:
    amqp = _local(sections, "amqp", host, zone)
    if amqp and (uri := amqp.first("uri")):
        return uri
    for section in sections:
        if section.name == "zone" and section.first("name") == zone:
            return section.first("uri") or section.first("amqp_uri")
    return None


def _local(sections: Iterable[Section], name: str, host: str, zone: str) -> Section | None:
    named = [section for section in sections if section.name == name]
    for wanted_host, wanted_zone in ((host, None), (None, zone), (None, None)):
        for section in named:
            if section.first("host") == wanted_host and (wanted_host or section.first("zone") == wanted_zone):
                return section
    return None
