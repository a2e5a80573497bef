"""Messages in the form of KAZOO's own: notices of changed documents (`kapi_conf`), and notifications."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from yarl import URL

from crossbar_appstore import __version__
from crossbar_appstore.auth.password_resets import PASSWORD_RESET
from crossbar_appstore.datastore.couch import Written
from crossbar_appstore.json_codec import Json, JsonObject, dumps, loads
from crossbar_appstore.kazoo.documents import is_soft_deleted
from crossbar_appstore.kazoo.ids import new_id, parse_account_id
from crossbar_appstore.kazoo.values import nonempty_text_at

CONFIGURATION: Final = "configuration"
NOTIFICATIONS: Final = "notifications"
"""Exchanges."""
APP_NAME: Final = "crossbar_appstore"

_UNANNOUNCED: Final = frozenset(("cdr", "ledger", "audit_log", "login_attempt", "pivot_debug", "notify_smtp_log"))
"""Types of documents that KAZOO never announces (`kzs_publish`)."""
_LONGEST_KEY: Final = 255
"""Bytes of a routing key (AMQP's short string)."""
_LONGEST_TYPE: Final = 60


class BrokerAway(Exception):
    """The broker did not do what was asked; ``reason`` says why, without address and password."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotRouted(BrokerAway):
    """The broker has nobody who would get the message."""


def address_of(url: str) -> str:
    """The address without user, password and parameters, for logs."""
    parts = URL(url)
    return str(parts.with_user(None).with_query(None))


@dataclass(frozen=True, slots=True)
class Message:
    """What is published, and where; ``body`` is JSON."""

    exchange: str
    routing_key: str
    body: bytes


def notice(written: Written, node: str) -> Message | None:
    """The notice of a write that KAZOO's nodes drop their cached copies at (`kzs_publish:publish/3`).

    None if there is nothing to tell: CouchDB refused the write, KAZOO announces no such documents, or the id is a
    secret, that of a password reset which was not used yet.

    Args:
        written: the write.
        node: who says so.
    """
    doc_id, document = written.doc_id, written.document
    kind = nonempty_text_at(document, "pvt_type")
    if written.refused or doc_id.startswith(("_design/", "_local/")) or kind in _UNANNOUNCED:
        return None
    is_soft = document is not None and is_soft_deleted(document)
    is_deleted = document is None or is_soft or document.get("_deleted") is True
    if kind == PASSWORD_RESET and not is_deleted:
        return None
    database = encoded(written.database)
    fields: JsonObject = {"ID": doc_id, "Database": database, "Is-Soft-Deleted": is_soft}
    if not doc_id:
        # The whole database.
        fields, kind, event = {"ID": database, "Database": database}, "database", "db_deleted"
    else:
        event = "doc_deleted" if is_deleted else "doc_created" if written.created else "doc_edited"
    fields |= _given(
        {
            "Type": kind,
            "Rev": None if document is None else document.get("_rev"),
            "Account-ID": _account_id(written),
        }
    )
    words = (event.replace("db_", "doc_"), database, escaped(kind or "undefined")[:_LONGEST_TYPE])
    return Message(CONFIGURATION, _key(*words, escaped(fields["ID"])), _body("configuration", event, node, fields))


def changed_database(body: bytes, node: str) -> str | None:
    """The database that a notice is about, as CouchDB names it; None if it is our own notice, or none at all."""
    try:
        heard = loads(body)
    except ValueError:
        return None
    if not isinstance(heard, dict) or heard.get("Node") == node:
        return None
    database = nonempty_text_at(heard, "Database")
    return None if database is None else unquote(database)


def notification(event: str, routing_key: str, node: str, fields: JsonObject) -> Message:
    """A message for KAZOO's teletype (`kapi_notifications`), without those of the fields that are None."""
    return Message(NOTIFICATIONS, routing_key, _body("notification", event, node, _given(fields)))


def encoded(database: str) -> str:
    """The name of a database as KAZOO writes it: ``account%2Faa%2Fbb%2Frest``."""
    return database.replace("/", "%2F")


def escaped(word: str) -> str:
    """A text as one word of a routing key (`kz_amqp_util:encode/1`)."""
    return quote(word, safe="", errors="replace").replace(".", "%2E").replace("%20", "+")


def _key(*words: str) -> str:
    # KAZOO's nodes listen for keys of exactly four words, whatever they are, and read the id in the body.
    return ".".join(words)[:_LONGEST_KEY]


def _account_id(written: Written) -> str | None:
    of_document = nonempty_text_at(written.document, "pvt_account_id")
    if of_document is not None:
        return of_document
    database = written.database
    return parse_account_id(database) or parse_account_id(database.rpartition("-")[0])


def _given(fields: JsonObject) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}


def _body(category: Json, event: str, node: str, fields: JsonObject) -> bytes:
    headers: JsonObject = {
        "Event-Category": category,
        "Event-Name": event,
        "App-Name": APP_NAME,
        "App-Version": __version__,
        "Node": node,
        "Msg-ID": new_id(),
    }
    return dumps(headers | fields)
