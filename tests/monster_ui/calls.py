"""The web client's calls, filled with the ids of a system, and what it does with the answers."""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.kazoo.documents import gregorian_seconds
from tests.kit.accounts import PASSWORD, Account, User
from tests.kit.mail import MailServer, reset_id_in
from tests.kit.service import NOTHING, Answer, Service
from tests.kit.system import System

RECORDED: Final = Path(__file__).parents[3] / "shared" / "monster-ui" / "calls.jsonl"
HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/javascript, */*; q=0.01",
    "X-Requested-With": "XMLHttpRequest",
}
_WITHOUT_LOGIN: Final = ("user_auth", "auth/tokeninfo", "user_auth/recovery")
DOMAIN: Final = "ui.example.com"
ADJUSTMENT: Final[JsonObject] = {
    "amount": 10,
    "source": {"service": "adjustments", "id": "x"},
    "usage": {"type": "credit", "quantity": 0, "unit": "USD"},
}
NO_MATCH: Final[JsonObject] = {"numbers": ["no_match"], "flow": {"children": {}, "data": {}, "module": "offnet"}}


@dataclass(frozen=True)
class Call:
    """A call; ``wanted`` is a class of statuses, ``reads`` are the members that the client reads of the answer."""

    method: str
    path: str
    query: Sequence[str] = ()
    body: JsonObject | None = None
    wanted: str = "2xx"
    reads: Sequence[str] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}{'?' if self.query else ''}{'&'.join(self.query)}"


def recorded() -> list[Call]:
    """The calls of ``calls.jsonl``; none where that is not here."""
    if not RECORDED.is_file():
        return []
    wanted = Call.__dataclass_fields__
    lines = map(json.loads, RECORDED.read_text(encoding="utf-8").splitlines())
    return [Call(**{name: value for name, value in line.items() if name in wanted}) for line in lines]


@dataclass
class World:
    """A system, its service, and the sub-account that the calls are about, as a superduper administrator."""

    system: System
    service: Service
    sub: Account
    guest: User
    """Has an address for mails."""
    mails: MailServer

    @property
    def path(self) -> str:
        return f"accounts/{self.sub.id}"

    async def use(self) -> None:
        """Store what the pages store."""
        writes: tuple[tuple[str, str, JsonObject], ...] = (
            ("POST", "limits", {"inbound_trunks": 1, "call_restriction": {}}),
            ("PUT", "ledgers/credit", ADJUSTMENT),
            ("PUT", "ledgers/debit", ADJUSTMENT),
            ("PUT", "callflows", NO_MATCH),
            ("POST", "security", {"auth_modules": {"cb_user_auth": {"multi_factor": {}}}}),
        )
        for method, path, data in writes:
            answer = await self.service.call(method, f"{self.path}/{path}", self.system.master, data)
            assert answer.status in (200, 201), answer.raw

    async def remove_no_match(self) -> None:
        """The client creates this callflow only where there is none."""
        found = await self.service.get(f"{self.path}/callflows?filter_numbers=no_match", self.system.master)
        for each in found.data:
            await self.service.delete(f"{self.path}/callflows/{each['id']}", self.system.master)

    async def send(self, call: Call) -> Answer:
        path = "/".join(self._token(call, index, token) for index, token in enumerate(call.path.split("/")))
        values = {name: quote(self._value(name)) for name in call.query}
        query = "&".join(f"{name}={value}" for name, value in {**values, "_": "1700000000000"}.items())
        known = "auth_token" not in call.query and call.path not in _WITHOUT_LOGIN
        data = NOTHING if call.body is None else self._data(call)
        if data is not NOTHING and (call.method, call.path) == ("POST", "user_auth/recovery"):
            data = {"reset_id": await self._reset_id()}
        caller = self.system.master if known else None
        answer = await self.service.call(call.method, f"{path}?{query}", caller, data, headers=HEADERS)
        if (call.method, call.path) == ("PUT", "accounts/{ID}") and answer.status == 201:
            self.system.adopt(answer.data["id"])
        return answer

    async def _reset_id(self) -> str:
        """The id in the link that is mailed to who has forgotten a password."""
        wanted = {"username": self.guest.name, "account_name": self.sub.name, "ui_url": f"https://{DOMAIN}/"}
        answer = await self.service.put("user_auth/recovery", None, wanted)
        assert answer.status == 201, answer.raw
        return reset_id_in(await self.mails.mail())

    def _token(self, call: Call, index: int, token: str) -> str:
        before = call.path.split("/")[index - 1]
        # What is installed is read and changed; what is not can be installed.
        app = "numbers" if call.method == "PUT" else "voip"
        ids = {"accounts": self.sub.id, "users": self.sub.user.id, "callflows": "c" * 32}
        values = {"{DOMAIN}": DOMAIN, "{SOURCE}": "adjustments", "{N}": "0"}
        return ids.get(before, self.system.apps[app]) if token == "{ID}" else values.get(token, token)

    def _value(self, name: str) -> str:
        now = gregorian_seconds()
        values = {
            "auth_token": self.system.token(self.system.master.admin),
            "created_from": str(now - 24 * 3600),
            "created_to": str(now),
            "filter_numbers": "no_match",
            "paginate": "false",
            "q": "name",
            "reason": "no_calls",
            "start_key": "",
            "t": "account",
        }
        return values.get(name, "true" if name == "ascending" else "sub")

    def _data(self, call: Call) -> Json:
        body = copy.deepcopy(call.body or {})["data"]
        user, account = self.sub.user, self.sub
        if call.path == "user_auth":
            return {"credentials": password_hashes(user.name, PASSWORD)[0], "account_name": account.name}
        own: dict[str, Json] = {"account_name": account.name, "username": user.name}
        if (call.method, call.path) == ("POST", "accounts/{ID}"):
            own = {"name": account.name, "realm": account.document["realm"]}
        if (call.method, call.path) == ("PUT", "accounts/{ID}"):
            own = {"name": f"New {account.id}"}
        if call.method == "PUT" and call.path.endswith("/users"):
            own = {}
        return self._filled({**body, **{name: value for name, value in own.items() if name in body}})

    def _filled(self, value: Json, name: str = "") -> Json:
        if isinstance(value, dict):
            return {key: self._filled(below, key) for key, below in value.items()}
        if isinstance(value, list):
            return [self._filled(each, name) for each in value]
        apps = ("appList", "blacklist")
        ids = {"{ID}": self.system.apps["port"] if name in apps else self.sub.user.id, "{PASSWORD}": "countess1"}
        if value == "{TOKEN}":
            return self.system.token(self.system.master.admin)
        return ids.get(value, value) if isinstance(value, str) else value


def problems(call: Call, answer: Answer) -> Iterator[str]:
    """What would open a dialog, or break the page."""
    statuses = call.wanted.split("|")
    if f"{answer.status // 100}xx" not in statuses and str(answer.status) not in statuses:
        yield f"{answer.status} {answer.raw[:300]!r}"
        return
    content_type = answer.headers.get("Content-Type", "")
    if "(image bytes)" in call.reads and answer.status == 200:
        if not content_type.startswith("image/"):
            yield f"a picture of type {content_type}"
        return
    if content_type != "application/json":
        yield f"Content-Type: {content_type}"
    elif answer.status < 300:
        yield from _misshapen(call.reads, answer.envelope)


def _misshapen(reads: Sequence[str], envelope: Mapping[str, Any]) -> Iterator[str]:
    data, members = envelope.get("data"), [each for each in reads if not each.startswith("(")]
    is_list = any(each.startswith("[") for each in members)
    if data is None or (members and not isinstance(data, list if is_list else dict)):
        yield f"data is {data!r}"
        return
    if "(top) auth_token" in reads and not isinstance(envelope.get("auth_token"), str):
        yield "no auth_token"
    if any(each.startswith("(metadata) superduper_admin") for each in reads) and not isinstance(
        envelope.get("metadata"), dict
    ):
        yield "no metadata"
    if is_list and not all(isinstance(each, dict) and each.get("id", "") is not None for each in data):
        yield f"entries are no objects: {data!r}"
    for member in members:
        if member.endswith("(number)") and not isinstance(data[member.partition(" ")[0]], int | float):
            yield f"{member}: {data!r}"
    if not is_list and "id" in members and not isinstance(data.get("id"), str):
        yield f"no id: {data!r}"
