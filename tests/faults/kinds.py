"""The faults that are injected between the service and CouchDB."""

import json
from dataclasses import dataclass
from typing import Any, Final

from tests.datastore.fault_proxy import Body, Fault, FaultProxy, Injected, Status

_OTHER_ID: Final = "f" * 32
_ODD_ROWS: Final = {"total_rows": 3, "offset": 0, **{key: [1, None] for key in ("rows", "docs", "results")}}


@dataclass(frozen=True)
class Kind:
    """A fault; ``everywhere`` if it meets every request, so that nothing is read while it lasts.

    ``path`` and ``methods`` limit it; ``database`` limits it to that of the account that the request is about.
    ``statuses`` are those that it may cause, beside the normal one.
    """

    name: str
    fault: Injected | None
    methods: tuple[str, ...] = ("",)
    path: str = ""
    database: bool = False
    statuses: frozenset[int] = frozenset({503})

    @property
    def everywhere(self) -> bool:
        return self.methods == ("",) and not self.path and not self.database

    @property
    def retry_after(self) -> bool:
        """Whether a later try may succeed, so that 503 says when."""
        return not self.name.startswith("403")

    async def arm(self, proxy: FaultProxy, database: str) -> None:
        if self.fault is None:
            await proxy.refuse()
            return
        for method in self.methods:
            proxy.fail(self.fault, method=method, path=database if self.database else self.path)

    async def heal(self, proxy: FaultProxy) -> None:
        proxy.heal()
        if self.fault is None:
            await proxy.accept()


def _fixed(value: Any) -> Body:
    text = json.dumps(value).encode()
    return Body(lambda body: text, endless=text + b"\n")


def _another_document(body: bytes) -> bytes:
    try:
        return json.dumps(_renamed(json.loads(body))).encode()
    except ValueError:
        return body


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    if isinstance(value, dict):
        return {key: _OTHER_ID if key == "_id" else _renamed(each) for key, each in value.items()}
    return value


def _flipped(body: bytes) -> bytes:
    return bytes(byte ^ 1 for byte in body)


_WRITES: Final = ("PUT", "POST", "DELETE")
_HTML: Final = b"<html><body>Welcome</body></html>"


def _corrupt(name: str) -> Kind:
    return Kind(f"corrupt {name}", Body(_flipped), ("GET",), name)


def _status(code: int, reason: str = "", **more: Any) -> Kind:
    name = f"{code} {reason}".strip() if reason else str(code)
    return Kind(name, Status(code, reason or "made up", **more))


KINDS: Final = (
    Kind("refused", None),
    Kind("reset before the reply", Fault.RESET_FIRST),
    Kind("reset in the body", Fault.RESET),
    Kind("stall", Fault.STALL),
    Kind("drip", Fault.DRIP),
    Kind("half-open", Fault.HALF_OPEN),
    Kind("truncated JSON", Fault.TRUNCATE),
    Kind("{}", _fixed({})),
    Kind("another document", Body(_another_document), ("GET", "POST"), statuses=frozenset({503})),
    Kind("list", _fixed([])),
    Kind("number", _fixed(5)),
    Kind("rows that are none", _fixed(_ODD_ROWS)),
    Kind("HTML", Body(lambda body: _HTML, "text/html", _HTML + b"\n")),
    *(_status(code) for code in (500, 502, 503, 504, 429)),
    _status(401, "Name or password is incorrect."),
    Kind("403", Status(403, "You are not allowed to access this db.", "forbidden"), database=True),
    Kind("403 on saves", Status(403, "not by you", "forbidden"), ("PUT",), statuses=frozenset({403, 503})),
    Kind("404 database", Status(404, "Database does not exist.", "not_found"), database=True),
    Kind("409", Status(409, "Document update conflict.", "conflict"), ("PUT",), statuses=frozenset({409, 503})),
    Kind("412", Status(412, "precondition failed", "bad"), ("PUT",)),
    Kind("202", Fault.ACCEPTED, _WRITES),
    Kind("lost reply", Fault.LOSE_REPLY, _WRITES),
    Kind("302", Status(302, headers=(("Location", "http://127.0.0.1:1/elsewhere"),))),
    _corrupt(".png"),
    Kind("feeds die", Fault.RESET_FIRST, path="_changes"),
    Kind("feeds lie", _fixed({"seq": 1, "id": 5, "db_name": {}}), path="_changes"),
    Kind("feeds babble", Body(lambda body: _HTML, "text/html", _HTML + b"\n"), path="_changes"),
)

BY_NAME: Final[dict[str, Kind]] = {kind.name: kind for kind in KINDS}
