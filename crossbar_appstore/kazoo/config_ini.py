"""Reads the addresses of CouchDB and of the message broker from KAZOO's ``config.ini``.

Several sections may have the same name. A section with a ``host`` applies to that host only and wins there; a section
with a ``zone`` applies to that zone and wins over sections without (``kz_config:get_sections/2``).
"""

import re
from dataclasses import dataclass, field

_SECTION = re.compile(r"\[\s*([^\]]+?)\s*\]")
_COMMENT = re.compile(r"(?:^|\s)[;#].*$")


@dataclass(frozen=True, slots=True)
class Section:
    """One section. A key may have several values."""

    name: str
    values: dict[str, list[str]] = field(default_factory=dict)

    def first(self, key: str) -> str | None:
        """Returns the first non-empty value of a key, or None."""
        return next(filter(None, self.values.get(key, ())), None)


@dataclass(frozen=True, slots=True)
class KazooConfig:
    """The values that the service uses; a missing one has KAZOO's default (``kazoo_config.hrl``)."""

    ip: str
    port: str
    username: str | None
    password: str | None = field(repr=False)
    amqp_uri: str | None = field(repr=False)


def read_config_ini(text: str, *, host: str, zone: str) -> KazooConfig:
    """Reads the text of a ``config.ini`` as the node in ``zone`` on ``host`` does.

    Raises:
        ValueError: a line is neither section, key, comment nor empty; the message contains its number.
    """
    sections = parse_ini(text)
    # [data] config names the section of CouchDB (kz_dataconfig).
    couchdb = _applicable(sections, "data", host, zone).first("config") or "bigcouch"
    section = _applicable(sections, couchdb, host, zone)
    own_zone = next((each for each in sections if each.name == "zone" and each.first("name") == zone), Section("zone"))
    return KazooConfig(
        ip=section.first("ip") or "localhost",
        port=section.first("port") or "5984",
        username=section.first("username"),
        password=section.first("password"),
        amqp_uri=_applicable(sections, "amqp", host, zone).first("uri")
        or own_zone.first("uri")
        or own_zone.first("amqp_uri"),
    )


def parse_ini(text: str) -> list[Section]:
    """Returns the sections in the order of the file; raises as ``read_config_ini``."""
    sections: list[Section] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        bare = line.strip()
        if not bare or bare[0] in ";#":
            continue
        if header := _SECTION.match(bare):
            sections.append(Section(header[1]))
            continue
        key, equals, value = bare.partition("=")
        if not equals or not sections:
            raise ValueError(f"line {number} is neither [section] nor key = value")
        sections[-1].values.setdefault(key.strip(), []).append(_unquoted(value.strip()))
    return sections


def _unquoted(value: str) -> str:
    if value.startswith(("'", '"')):
        # A comment sign inside of quotes belongs to the value, as in a password.
        inner, closing, _comment = value[1:].partition(value[0])
        return inner if closing else value
    return _COMMENT.sub("", value).strip()


def _applicable(sections: list[Section], name: str, host: str, zone: str) -> Section:
    """Returns the section of that name that wins, an empty one if none applies."""
    named = [section for section in sections if section.name == name]
    for wanted_host, wanted_zone in ((host, None), (None, zone), (None, None)):
        for section in named:
            if section.first("host") == wanted_host and (wanted_host or section.first("zone") == wanted_zone):
                return section
    return Section(name)
