"""The package uses public names of its HTTP and CouchDB libraries only."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import aiocouch
import aiohttp
import pytest
from aiocouch import attachment, database, document, remote, view
from aiohttp import web

CHECKOUT: Final = Path(__file__).parents[2]
LIBRARIES: Final = frozenset({"aiocouch", "aiohttp", "multidict", "yarl"})
CLASSES: Final = (
    *(web.Application, web.AppRunner, web.BaseRequest, web.Request, web.RequestHandler, web.Response, web.Server),
    *(web.SockSite, web.StreamResponse, web.TCPSite),
    *(aiohttp.BaseConnector, aiohttp.ClientResponse, aiohttp.ClientSession, aiohttp.TCPConnector),
    *(aiocouch.CouchDB, attachment.Attachment, database.Database, document.Document, view.View),
    *(each for each in vars(remote).values() if isinstance(each, type) and each.__module__ == remote.__name__),
)
KNOWN_NAMES: Final = ("_make_server", "_messages", "_current_request", "_http_session", "_server")
PRIVATE: Final = frozenset(KNOWN_NAMES).union(
    *(re.findall(r"\b(?:self\.|def )(_[a-z]\w*)", inspect.getsource(each)) for each in CLASSES)
)


class Finder(ast.NodeVisitor):
    """Collects the lines that use a private name of a library."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self._imported: set[str] = set()
        self._in_subclass = False

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._note_import(node.lineno, alias.name, "", alias.asname or alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names if node.level == 0 else ():
            self._note_import(node.lineno, node.module or "", alias.name, alias.asname or alias.name)

    def _note_import(self, line: int, module: str, name: str, bound: str) -> None:
        parts = [*module.split("."), *filter(None, [name])]
        if parts[0] in LIBRARIES:
            self._imported.add(bound)
            self.found += [(line, part) for part in parts if is_private(part)]

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer, self._in_subclass = self._in_subclass, any(root(base) in self._imported for base in node.bases)
        if self._in_subclass:
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            self.found += [(each.lineno, each.name) for each in methods if each.name in PRIVATE]
        self.generic_visit(node)
        self._in_subclass = outer

    def visit_Attribute(self, node: ast.Attribute) -> None:
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") and not self._in_subclass
        from_library = is_private(node.attr) and root(node.value) in self._imported
        if from_library or (node.attr in PRIVATE and not own):
            self.found.append((node.lineno, node.attr))
        self.generic_visit(node)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def root(node: ast.expr) -> str | None:
    """The name that an expression such as ``web.Server().x`` begins with."""
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Call(func=inner):
                node = inner
            case _:
                return None
    return node.id


def private_uses(source: str) -> Iterator[tuple[int, str]]:
    finder = Finder()
    finder.visit(ast.parse(source))
    yield from finder.found


def test_package_uses_no_private_name_of_its_libraries() -> None:
    found = {
        f"{path.relative_to(CHECKOUT)}:{line} {name}"
        for path in sorted((CHECKOUT / "crossbar_appstore").rglob("*.py"))
        for line, name in private_uses(path.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from aiohttp.web_protocol import _ErrInfo", "_ErrInfo"),
        ("import aiohttp._http_parser", "_http_parser"),
        ("from aiohttp import web as w\nw._run_app", "_run_app"),
        ("class R(web.AppRunner):\n  async def _make_server(self): ...\nfrom aiohttp import web", None),
        ("from aiohttp import web\nclass R(web.AppRunner):\n  async def _make_server(self): ...", "_make_server"),
        ("from aiohttp import web\nclass P(web.RequestHandler):\n  def f(self): return self._messages", "_messages"),
        ("def f(couch): return couch._server", "_server"),
        ("from aiocouch import CouchDB\nCouchDB('')._x", "_x"),
        ("class Own:\n  def f(self): return self._server", None),
        ("from aiohttp import web\nweb.AppRunner.__init__", None),
    ],
)
def test_private_uses_finds_imports_attributes_and_overrides(source: str, name: str | None) -> None:
    assert [found for _, found in private_uses(source)] == ([] if name is None else [name])
