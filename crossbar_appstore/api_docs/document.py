"""The description of the API: ``openapi.yaml`` of the schemas, with the JSON Schemas that it refers to in it."""

from typing import Any, Final

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.package_data import data_directory, load_schema, schema_names

_COMPONENTS: Final = "#/components/schemas/"
_DEFINITIONS: Final = "#/definitions/"
_FILE: Final = ".json"


def openapi_document() -> JsonObject:
    """Returns the document with every reference within itself: a new object each time.

    A reference to ``users.json`` becomes one to the component ``users``, one to a definition of it to ``users.NAME``.
    JSON Schemas are written in draft 4; what they use of it means the same in the dialect of OpenAPI 3.1, but for their
    references.
    """
    import yaml  # noqa: PLC0415 (a megabyte, and most services are never asked)

    document: JsonObject = yaml.safe_load((data_directory("schemas") / "openapi.yaml").read_bytes())
    document.pop("x-errors")
    schemas = document["components"]["schemas"]
    for name in schema_names():
        schema = {key: value for key, value in load_schema(name).items() if key != "$schema"}
        for part, definition in schema.pop("definitions", {}).items():
            schemas[f"{name}.{part}"] = _resolved(definition, name)
        schemas[name] = _resolved(schema, name)
    resolved: JsonObject = _resolved(document, "")
    return resolved


def _resolved(value: Any, schema: str) -> Any:
    """A copy with references to other files, and to the schema itself, as references to components."""
    if isinstance(value, dict):
        copied = {key: _resolved(each, schema) for key, each in value.items()}
        if isinstance(copied.get("$ref"), str):
            copied["$ref"] = _reference(copied["$ref"], schema)
        return copied
    if isinstance(value, list):
        return [_resolved(each, schema) for each in value]
    return value


def _reference(reference: str, schema: str) -> str:
    if reference.startswith(_DEFINITIONS):
        return f"{_COMPONENTS}{schema}.{reference.removeprefix(_DEFINITIONS)}"
    if reference.startswith("#/"):
        return reference
    return _COMPONENTS + reference.removesuffix(_FILE)
