"""The installed JSON files: JSON Schemas and design documents."""

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from crossbar_appstore import json_codec
from crossbar_appstore.json_codec import JsonObject


class UnknownFile(LookupError):
    """There is no such file."""


@cache
def schema_names() -> tuple[str, ...]:
    """Returns the names of all JSON Schemas, sorted, without ``.json``."""
    return _names("schemas")


@cache
def load_schema(name: str) -> JsonObject:
    """Returns a JSON Schema by its name, for example ``app``. It is shared and must not be changed.

    Raises:
        UnknownFile: there is no such schema.
    """
    return _load("schemas", name, schema_names())


@cache
def couchdb_view_names() -> tuple[str, ...]:
    """Returns the names of all design document files, sorted, without ``.json``."""
    return _names("couchdb_views")


@cache
def load_couchdb_view(name: str) -> JsonObject:
    """Returns the content of a design document file by its name, as ``load_schema``."""
    return _load("couchdb_views", name, couchdb_view_names())


def data_directory(name: str) -> Traversable:
    """Returns the directory ``schemas`` or ``couchdb_views``.

    Raises:
        UnknownFile: it is missing; the installation is broken.
    """
    package = resources.files("crossbar_appstore")
    # Installed from a wheel, or a checkout.
    for directory in (package / name, package / ".." / name):
        if directory.is_dir():
            return directory
    raise UnknownFile(f"{name}/ is missing from the installation")


def _names(directory: str) -> tuple[str, ...]:
    files = (entry.name for entry in data_directory(directory).iterdir() if entry.is_file())
    return tuple(sorted(name.removesuffix(".json") for name in files if name.endswith(".json")))


def _load(directory: str, name: str, names: tuple[str, ...]) -> JsonObject:
    # The name may come from a request: only an existing file's becomes a path.
    if name not in names:
        raise UnknownFile(f"{directory}/{name}")
    content = json_codec.loads((data_directory(directory) / f"{name}.json").read_bytes())
    if not isinstance(content, dict):
        raise UnknownFile(f"{directory}/{name}.json contains no object")
    return content
