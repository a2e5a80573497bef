"""The routes of the application, found by calling its resources, and those in the tables of the pages."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any, Final

from crossbar_appstore.application import create_application
from crossbar_appstore.crossbar.application import RESOURCES
from crossbar_appstore.crossbar.cors import ALL_METHODS
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.settings import Settings
from tests.docs.pages import DOCS, rows

ANY: Final = "{}"
"""A param that is an id, an index or a name."""

Route = tuple[str, ...]
"""A noun and its params."""

_LONGEST: Final = 4
_PARAM: Final = re.compile(r"\{[^{}/]*\}")
_CODE: Final = re.compile(r"`([^`]+)`")
_METHODS: Final = re.compile(r"[A-Z]+(?:, [A-Z]+)*")


def wired() -> dict[str, Resource]:
    """The resources of the application, by noun."""
    application = create_application(Settings.load({"COUCHDB_URL": "http://127.0.0.1:1"}))
    return {resource.noun: resource for resource in application[RESOURCES]}


def answered(resources: Mapping[str, Resource]) -> dict[Route, set[str]]:
    """Route → methods; params with the same methods are merged into ``ANY``."""
    found: dict[Route, set[str]] = {}
    for noun, resource in resources.items():
        words = (ANY, *sorted(_words(resource)))
        for length in range(_LONGEST + 1):
            for params in itertools.product(words, repeat=length):
                methods = methods_of(resource, params)
                if methods and not any(methods_of(resource, other) == methods for other in _wider(params)):
                    found[noun, *params] = methods
    return found


def methods_of(resource: Resource, params: Iterable[str]) -> set[str]:
    return set(resource.part(*params).allowed_methods(*params) or ())


def documented(nouns: Iterable[str]) -> dict[Route, set[str]]:
    """Route → methods, from each table row of ``docs/`` whose first cell has paths and whose second has methods.

    A path that begins with a slash replaces the last part of the path before it. The nouns before the last one are
    omitted: ``accounts/{A}/users/{U}/apps_store`` is ``apps_store``.
    """
    found: dict[Route, set[str]] = {}
    known = set(nouns)
    for page in sorted(DOCS.rglob("*.md")):
        for cells in rows(page):
            if len(cells) > 1 and _METHODS.fullmatch(cells[1]) and set(cells[1].split(", ")) <= set(ALL_METHODS):
                for path in _paths(cells[0]):
                    route = route_of(path, known)
                    if route is not None:
                        found.setdefault(route, set()).update(cells[1].split(", "))
    return found


def _wider(params: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for index, param in enumerate(params):
        if param != ANY:
            yield (*params[:index], ANY, *params[index + 1 :])


def _words(resource: Resource) -> set[str]:
    """The words that ``part`` and ``allowed_methods`` compare with: constants, what they call, and tables."""
    words: set[str] = set()
    parts = [resource, *(part for part in vars(resource).values() if hasattr(part, "allowed_methods"))]
    for part in parts:
        words.update(_texts([table for table in vars(part).values() if isinstance(table, dict)]))
        for callback in ("part", "allowed_methods"):
            _collect(type(part), callback, words, set())
    return {word for word in words if word not in ALL_METHODS and word.isidentifier() and not word.startswith("_")}


def _collect(owner: type, name: str, words: set[str], seen: set[str]) -> None:
    method = getattr(owner, name, None)
    if not isinstance(method, FunctionType) or name in seen:
        return
    seen.add(name)
    code = method.__code__
    words.update(_texts([*code.co_consts, *(method.__globals__.get(each) for each in code.co_names)]))
    for each in code.co_names:
        _collect(owner, each, words, seen)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple | set | frozenset | dict):
        for each in value:
            yield from _texts(each)


def _paths(cell: str) -> Iterator[str]:
    last = ""
    for code in _CODE.findall(cell):
        path = f"{last.rpartition('/')[0]}{code}" if code.startswith("/") else code
        if not code.startswith("/"):
            last = code
        elif last.count("/") == 0:
            path = last + code
        yield path


def route_of(path: str, nouns: set[str]) -> Route | None:
    """The last noun of a path and its params."""
    tokens = [_PARAM.sub(ANY, token) for token in path.split("/")]
    starts = [index for index, token in enumerate(tokens) if token in nouns]
    return tuple(tokens[starts[-1] :]) if starts else None
