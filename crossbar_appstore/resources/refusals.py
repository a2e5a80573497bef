"""The datastore's errors as Crossbar names them (`crossbar_doc:handle_datamgr_errors/3`)."""

from crossbar_appstore.crossbar.errors import (
    BadIdentifier,
    CrossbarError,
    DatastoreConflict,
    DatastoreFault,
    DatastoreUnreachable,
)
from crossbar_appstore.datastore.errors import (
    Closed,
    Conflict,
    DatabaseMissing,
    DatastoreError,
    DocumentMissing,
    Fault,
    Misconfigured,
    NoMasterAccount,
    TimedOut,
    Unreachable,
    ViewMissing,
)

_MISCONFIGURED_RETRY = 30


def translate(error: Exception) -> CrossbarError | None:
    """The refusal for an error of the datastore; None for any other exception.

    A datastore that is away or slow is 503 with Retry-After, where Crossbar has 500 for the slow one (deviation D21).
    """
    if not isinstance(error, DatastoreError):
        return None
    match error:
        case DocumentMissing():
            return BadIdentifier(cause=error.doc_id)
        case Conflict():
            return DatastoreConflict()
        case Unreachable() | TimedOut() | Closed():
            return DatastoreUnreachable()
        case Misconfigured():
            return DatastoreUnreachable(retry_after=_MISCONFIGURED_RETRY)
        case DatabaseMissing():
            return CrossbarError(500, "datastore_missing", {"cause": error.database, "message": "unknown failure"})
        case ViewMissing():
            return CrossbarError(500, "datastore_missing_view", {"cause": error.view, "message": "unknown failure"})
        case NoMasterAccount():
            # No account, no catalogue: whatever was asked for is not there.
            return BadIdentifier()
        case Fault():
            return DatastoreFault(error.reason)
    return DatastoreFault(str(error))
