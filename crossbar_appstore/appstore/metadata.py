"""An app's own description, ``metadata/app.json``: is it valid, and what is stored of it."""

from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key, public_fields
from crossbar_appstore.schema_errors import SchemaErrors
from crossbar_appstore.schema_validation import schema

APP_SCHEMA: Final = "app"


def validate_app(metadata: Json) -> SchemaErrors:
    """What is wrong with an app's metadata: path → rule → details, empty if nothing.

    Private fields are not looked at (``crossbar_maintenance:find_metadata/1``).
    """
    return schema(APP_SCHEMA).errors(public_fields(metadata) if isinstance(metadata, dict) else metadata)


def with_defaults(metadata: JsonObject) -> JsonObject:
    """The public fields of valid metadata with the defaults of the schema; for show, they are not stored."""
    filled: JsonObject = schema(APP_SCHEMA).with_defaults(public_fields(metadata))
    return filled


def with_api_url(metadata: JsonObject, api_url: str | None) -> JsonObject:
    """The metadata with the API address that the operator gave, without any if none was given."""
    stripped = {key: value for key, value in metadata.items() if key != "api_url"}
    return stripped if api_url is None else {**stripped, "api_url": api_url}


def new_app_document(metadata: JsonObject) -> JsonObject:
    """The document of an app that is not stored yet (``crossbar_maintenance:create_app/3``).

    ``source_url`` and ``id`` are left out, and every private field of the file except an ``_id``; the caller adds an
    id where there is none and what a save stamps.
    """
    return {
        key: value
        for key, value in metadata.items()
        if key == "_id" or (key not in ("id", "source_url") and not is_private_key(key))
    }
