"""Crossbar's errors as exceptions; the middleware ``application.error_envelopes`` turns them into responses."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from crossbar_appstore.json_codec import Json, dumps

MAX_SHOWN: Final = 1_024
"""Bytes of a client's value that an error repeats (deviation D29)."""

MAX_PLACES: Final = 20
"""Places in a request's data that an error names."""

ABSENT: Final = object()
"""``data`` of an envelope without that member."""

NAMED_ERRORS: Final[Mapping[str, tuple[int, str]]] = {
    "too_many_requests": (429, "too many requests"),
    "unspecified_fault": (500, "unspecified fault"),
    "account_has_descendants": (500, "account has descendants"),
    "bad_identifier": (404, "bad identifier"),
    "forbidden": (403, "forbidden"),
    "invalid_credentials": (401, "invalid credentials"),
    "datastore_conflict": (409, "conflicting documents"),
    "datastore_fault": (503, "datastore fatal error"),
    "datastore_unreachable": (503, "datastore timeout"),
    "invalid_method": (405, "method not allowed"),
    "not_found": (404, "not found"),
}
"""Name → (code, text), those of `cb_context:add_system_error/2` that this service uses."""


def shown(value: Json) -> Json:
    """A client's value as errors repeat it: a long text is cut and ends with ``…``, a long list or object is counted.

    A text has at most ``MAX_SHOWN`` bytes of UTF-8, anything else so many of JSON.
    """
    if isinstance(value, str):
        return _cut(value)
    if _may_fit(value) and len(dumps(value)) <= MAX_SHOWN:
        return value
    return f"{len(value)} members" if isinstance(value, dict | list) else "a large number"


def _cut(text: str) -> str:
    # Encoding a whole long text is needless work: a character has at least one byte.
    raw = text[: MAX_SHOWN + 1].encode("utf-8", "replace")
    return text if len(raw) <= MAX_SHOWN else raw[: MAX_SHOWN - 3].decode("utf-8", "ignore") + "…"


def _may_fit(value: Json) -> bool:
    """Whether the value is small enough to be serialized for its exact size."""
    room, values = MAX_SHOWN, [value]
    while values and room > 0:
        each = values.pop()
        room -= 1
        if isinstance(each, dict | list):
            room -= len(each)
        if isinstance(each, str):
            room -= len(each)
        elif isinstance(each, int):
            room -= each.bit_length() // 4
        elif isinstance(each, dict) and room > 0:
            values += each.keys()
            values += each.values()
        elif isinstance(each, list) and room > 0:
            values += each
    return room > 0


class CrossbarError(Exception):
    """An error response: HTTP ``code``, and ``message`` and ``data`` of the envelope (``ABSENT`` omits it).

    Texts in ``data`` may repeat what the client sent; they are ``shown``.
    """

    def __init__(
        self, code: int, message: str, data: Any = ABSENT, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.data = data
        if isinstance(data, dict):
            self.data = {key: shown(value) if isinstance(value, str) else value for key, value in data.items()}
        elif isinstance(data, list):
            self.data = [shown(value) for value in data]
        self.headers: Mapping[str, str] = headers or {}
        self.page_size: int | None = None


class NamedError(CrossbarError):
    """An error of ``NAMED_ERRORS``, named here or by the class; its data holds the ``extra`` members, then the text."""

    name = ""

    def __init__(self, name: str = "", *, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        name = name or self.name
        code, text = NAMED_ERRORS[name]
        details = {key: shown(value) for key, value in extra.items()}
        super().__init__(code, name, {**details, "message": text}, headers=headers)


class ValidationError(CrossbarError):
    """400 ``validation error``; ``errors`` is path → rule → details (`kz_json_schema:error_to_jobj/1`).

    Of the paths the first ``MAX_PLACES`` count; in the details ``value`` and ``cause`` are what the client sent.
    """

    def __init__(self, errors: Mapping[str, Mapping[str, Any]]) -> None:
        named = islice(errors.items(), MAX_PLACES)
        data = {shown(path): {rule: _details(each) for rule, each in rules.items()} for path, rules in named}
        super().__init__(400, "validation error", data)


def _details(details: Any) -> Any:
    """The details of one rule, with the client's values as they are shown."""
    if not isinstance(details, Mapping):
        return details
    return {key: shown(value) if key in ("value", "cause") else value for key, value in details.items()}


class Refusal(CrossbarError):
    """An error of the HTTP layer (`cowboy_rest`): Crossbar sends it without a body, this service with an envelope."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text.replace(" ", "_"), {"message": text})


class AuthenticationRequired(NamedError):
    """401 for a missing, wrong or unusable token."""

    name = "invalid_credentials"


class ExpiredToken(CrossbarError):
    """401 for a correctly signed token past its time (`crossbar_util:response_401/1`)."""

    def __init__(self) -> None:
        super().__init__(401, "invalid credentials", {})


class Forbidden(NamedError):
    """403; ``details`` or ``cause`` hold what was refused."""

    name = "forbidden"


class BadIdentifier(NamedError):
    """404 for an unknown id, which ``cause`` or ``details`` hold."""

    name = "bad_identifier"


class NotFound(NamedError):
    """404 for a path that no endpoint serves."""

    name = "not_found"


class MethodNotAllowed(NamedError):
    """405; the allowed methods are in the CORS header, Crossbar sends no ``Allow``."""

    name = "invalid_method"


class Gone(CrossbarError):
    """410 for version 1 of the API (`api_util:get_req_data/2`)."""

    def __init__(self) -> None:
        super().__init__(410, "gone", "API version 1 is not supported. Please upgrade your code to use version 2.")


class TooManyRequests(NamedError):
    """429; ``retry_after`` in whole seconds (deviation D11)."""

    name = "too_many_requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__(headers={"Retry-After": str(retry_after)})


class DatastoreConflict(NamedError):
    """409 after repeated conflicts on one document."""

    name = "datastore_conflict"


class DatastoreUnreachable(NamedError):
    """503 while CouchDB is unreachable (deviation D21).

    Nothing was written unless ``warning`` says that this is not known; the body is the recorded one either way.
    ``retry_after`` in whole seconds.
    """

    name = "datastore_unreachable"

    def __init__(self, retry_after: int = 2, warning: str = "") -> None:
        warned = {"Warning": f'199 - "{warning}"'} if warning else {}
        super().__init__(headers={"Retry-After": str(retry_after), **warned})


class DatastoreFault(CrossbarError):
    """500 for an unusable answer of the datastore."""

    def __init__(self, cause: str) -> None:
        super().__init__(500, "datastore_fault", {"cause": cause, "message": "unknown failure"})


class UnspecifiedFault(NamedError):
    """500 for an unexpected exception."""

    name = "unspecified_fault"
