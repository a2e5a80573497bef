"""What can go wrong between us and CouchDB, as one small tree; nothing else leaves this room.

No message holds a credential: reasons are CouchDB's own words or the kind of trouble on the connection.
"""


class DatastoreError(Exception):
    """Anything that kept a document from being read or saved."""


class DocumentMissing(DatastoreError):
    """The document does not exist, or was deleted."""

    def __init__(self, database: str, doc_id: str) -> None:
        super().__init__(f"no document {doc_id} in {database}")
        self.database = database
        self.doc_id = doc_id


class AttachmentMissing(DocumentMissing):
    """The document exists without this attachment (or does not exist: PouchDB does not say which)."""

    def __init__(self, database: str, doc_id: str, name: str) -> None:
        super().__init__(database, doc_id)
        self.name = name


class DatabaseMissing(DatastoreError):
    """The database does not exist, or its name is none that CouchDB could have."""

    def __init__(self, database: str) -> None:
        super().__init__(f"no database {database}")
        self.database = database


class ViewMissing(DatastoreError):
    """The database has no such view: the design document or the view in it is missing."""

    def __init__(self, database: str, view: str) -> None:
        super().__init__(f"no view {view} in {database}")
        self.database = database
        self.view = view


class Conflict(DatastoreError):
    """The revision that was to be replaced is no longer the newest; nothing was saved."""

    def __init__(self, database: str, doc_id: str) -> None:
        super().__init__(f"document {doc_id} in {database} was changed by another writer")
        self.database = database
        self.doc_id = doc_id


class NoMasterAccount(DatastoreError):
    """No master account is configured, and there is no account at all that could be it."""


class Closed(DatastoreError):
    """Our connections were closed, as the service ends: nothing is asked any more."""

    def __init__(self) -> None:
        super().__init__("the connections to CouchDB were closed")


class Troubled(DatastoreError):
    """CouchDB gave no answer that tells anything about the document."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unreachable(Troubled):
    """No connection, a connection that broke, 429, 502, 503, 504, or a reply that is not whole."""


class TimedOut(Troubled):
    """No reply in time, ours or CouchDB's. A write may have happened all the same."""


class Misconfigured(Troubled):
    """CouchDB refuses our name and password (401, 403): asking again would only lock us out."""


class Fault(Troubled):
    """Any other answer that CouchDB should not have given."""
