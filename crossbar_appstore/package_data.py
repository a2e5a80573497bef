"""The JSON files that belong to the program: JSON Schemas and design documents.

They lie at the top of the repository, and inside the package once it is installed from a wheel.
"""

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from crossbar_appstore import json_codec
from crossbar_appstore.json_codec import JsonObject

SCHEMAS: Final = "schemas"
COUCHDB_VIEWS: Final = "couchdb_views"

_PACKAGE: Final = "crossbar_appstore"
_SUFFIX: Final = ".json"


class UnknownFile(LookupError):
    """No such file is part of the program."""


@cache
def schema_names() -> tuple[str, ...]:
    """The names of all JSON Schemas, sorted, without ``.json``."""
    return _names(SCHEMAS)


@cache
def load_schema(name: str) -> JsonObject:
    """A JSON Schema by its name, for example ``app``. Shared: never change what is returned.

    Raises:
        UnknownFile: there is no such schema.
    """
    return _load(SCHEMAS, name, schema_names())


@cache
def couchdb_view_names() -> tuple[str, ...]:
    """The names of all design document files, sorted, without ``.json``."""
    return _names(COUCHDB_VIEWS)


@cache
def load_couchdb_view(name: str) -> JsonObject:
    """The content of a design document file by its name. Shared: never change what is returned.

    Raises:
        UnknownFile: there is no such file.
    """
    return _load(COUCHDB_VIEWS, name, couchdb_view_names())


def data_directory(name: str) -> Traversable:
    """The directory ``schemas`` or ``couchdb_views``, wherever the program runs from.

    Raises:
        UnknownFile: it is in neither place; the installation is broken.
    """
    package = resources.files(_PACKAGE)
    for directory in (package / name, package / ".." / name):
        if directory.is_dir():
            return directory
    raise UnknownFile(f"{name}/ is missing from the installation")


def _names(directory: str) -> tuple[str, ...]:
    files = (entry.name for entry in data_directory(directory).iterdir() if entry.is_file())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX)))


def _load(directory: str, name: str, known: tuple[str, ...]) -> JsonObject:
    # Names may come from a request: only those that were found are ever turned into a path.
    if name not in known:
        raise UnknownFile(f"{directory}/{name}")
    content = json_codec.loads((data_directory(directory) / (name + _SUFFIX)).read_bytes())
    if not isinstance(content, dict):
        raise UnknownFile(f"{directory}/{name}{_SUFFIX} holds no object")
    return content
