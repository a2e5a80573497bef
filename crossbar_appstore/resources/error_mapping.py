"""Maps errors of the datastore to Crossbar's (`crossbar_doc:handle_datamgr_errors/3`)."""

from crossbar_appstore.crossbar.errors import (
    BadIdentifier,
    CrossbarError,
    DatastoreConflict,
    DatastoreFault,
    DatastoreUnreachable,
    NamedError,
)
from crossbar_appstore.datastore import errors


def translate(error: Exception) -> CrossbarError | None:
    """The Crossbar error for an error of the datastore; None for any other exception.

    A CouchDB that is away or slow is 503 with ``Retry-After``; Crossbar answers a timeout with 500 (deviation D21).
    """
    if not isinstance(error, errors.DatastoreError):
        return None
    match error:
        case errors.DocumentMissing():
            return BadIdentifier(cause=error.doc_id)
        case errors.Conflict():
            return DatastoreConflict()
        case errors.Unreachable() | errors.TimedOut() | errors.Closed():
            return DatastoreUnreachable()
        case errors.Misconfigured():
            # Until somebody corrects the password, or CouchDB unlocks the user.
            return DatastoreUnreachable(retry_after=30)
        case errors.AccessDenied():
            # A repeated request would be refused as well, so without Retry-After.
            return NamedError("datastore_fault", cause=error.reason)
        case errors.DatabaseMissing():
            return CrossbarError(500, "datastore_missing", {"cause": error.database, "message": "unknown failure"})
        case errors.ViewMissing():
            return CrossbarError(500, "datastore_missing_view", {"cause": error.view, "message": "unknown failure"})
        case errors.NoMasterAccount():
            # Without accounts there is no catalogue, and nothing in it.
            return BadIdentifier()
    return DatastoreFault(str(error))
