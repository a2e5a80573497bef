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

    A CouchDB that is away or slow, or answers with an error of its own or with something malformed, is 503 with
    ``Retry-After``; Crossbar answers a timeout with 500 (deviation D21).
    """
    match error:
        case errors.DocumentMissing():
            return BadIdentifier(cause=error.doc_id)
        case errors.Conflict():
            return DatastoreConflict()
        case errors.Unreachable() | errors.TimedOut() | errors.ServerFault() | errors.Closed() | errors.Misconfigured():
            # A rejected password needs longer: somebody corrects it, or CouchDB unlocks the user.
            return DatastoreUnreachable(retry_after=30 if isinstance(error, errors.Misconfigured) else 2)
        case errors.OutcomeUnknown():
            return DatastoreUnreachable(warning="The change may have been saved or not")
        case errors.AccessDenied():
            # A repeated request would be refused as well, so without Retry-After.
            return NamedError("datastore_fault", cause=error.reason)
        case errors.DatabaseMissing(database=name):
            return CrossbarError(500, "datastore_missing", {"cause": name, "message": "unknown failure"})
        case errors.ViewMissing(view=name):
            return CrossbarError(500, "datastore_missing_view", {"cause": name, "message": "unknown failure"})
        case errors.NoMasterAccount():
            # Without accounts there is no catalogue, and nothing in it.
            return BadIdentifier()
        case errors.DatastoreError():
            return _fault(error)
    return None


def _fault(error: errors.DatastoreError) -> CrossbarError:
    if isinstance(error, errors.DocumentRefused) and error.status == errors.TOO_LARGE:
        # A repeated request would be refused as well.
        return CrossbarError(413, "datastore_fault", {"cause": error.reason, "message": "too large to be stored"})
    return DatastoreFault(str(error))
