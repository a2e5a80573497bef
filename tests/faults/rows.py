"""A request for each route and method, on accounts of its own, and what an acknowledged change must have stored."""

import base64
import copy
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from crossbar_appstore.datastore.errors import DatabaseMissing, DocumentMissing
from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import new_apps_store, password_hashes
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import account_db, new_reset_id
from crossbar_appstore.kazoo.months import monthly_db_at, monthly_db_of, monthly_id
from tests.docs.routes import ANY, Route
from tests.kit.accounts import PASSWORD, Account, User
from tests.kit.apps import FIRST, ICON, permission
from tests.kit.service import NOTHING, Answer, Caller, Client
from tests.kit.system import System


@dataclass
class Stage:
    """Accounts for one cell after the other: ``reseller`` above ``sub``; ``parent`` above ``child``."""

    system: System
    reseller: Account
    sub: Account
    parent: Account
    child: Account
    guest: User
    """A user of ``sub``, to be changed and deleted."""
    ledger: JsonObject
    """A ledger of ``sub`` in the database of this month."""
    transaction: JsonObject
    reset_id: str
    """A password reset of that user."""
    first: dict[tuple[str, str], JsonObject] = field(default_factory=dict)
    baselines: dict[str, list[Any]] = field(default_factory=dict)
    """The data of each route without a fault; those for anybody after those for its caller."""

    @classmethod
    async def create(cls, system: System) -> "Stage":
        reseller = await system.account("Reseller", below=system.master, reseller=True)
        parent = await system.account("Parent", below=system.master)
        sub = await system.account("Sub", below=reseller)
        child, guest = await system.account("Child", below=parent), await system.user(sub, email="guest@example.com")
        now = gregorian_seconds()
        money = {"pvt_created": now, "amount": 15_000}
        ledger = {"_id": monthly_id(now, "one"), "pvt_type": "ledger", "source": {"service": "payments"}, **money}
        transaction = {"_id": monthly_id(now, "two"), "pvt_type": "transaction", "status": "completed", **money}
        # A month that the service has no reason to use.
        reset_id = new_reset_id(sub.id, 2020, 1, 137)
        made = cls(system, reseller, sub, parent, child, guest, ledger, transaction, reset_id)
        await system.couch.create_database(system.month(sub, 2020, 1))
        await ensure(system.couch, sub.database, names_for(DatabaseClass.ACCOUNT))
        month = monthly_db_at(sub.id, now)
        await system.couch.create_database(month, q=1)
        await ensure(system.couch, month, names_for(DatabaseClass.MONTHLY))
        await system.couch.save_docs(month, [ledger, transaction])
        await system.put(sub.database, made.callflow)
        await system.put("accounts", {**sub.document, "pvt_whitelabel_domain": made.domain})
        stubs = {f"{part}.png": ICON.inline for part in ("logo", "icon")}
        stubs["welcome.html"] = {"content_type": "text/html", "data": base64.b64encode(b"<p>Hello</p>").decode()}
        branding = {"_id": "whitelabel", "pvt_type": "whitelabel", "domain": made.domain, "_attachments": stubs}
        await system.put(sub.database, branding)
        made.first = {
            ("accounts", made.child.id): made.child.document,
            ("services", made.child.id): made.child.services,
            (made.child.database, made.child.id): made.child.document,
            (sub.database, made.guest.id): made.guest.document,
            (made.child.database, made.callflow["_id"]): made.callflow,
        }
        await made.reset_list()
        return made

    @property
    def app(self) -> str:
        """An app that ``sub`` has installed."""
        return self.system.apps["voip"]

    @property
    def callflow(self) -> JsonObject:
        """A callflow of ``sub`` and of ``child``."""
        flow = {"module": "offnet", "data": {}, "children": {}}
        return {"_id": self.guest.id[::-1], "pvt_type": "callflow", "numbers": ["no_match"], "flow": flow}

    @property
    def other_app(self) -> str:
        return self.system.apps["numbers"]

    @property
    def domain(self) -> str:
        return f"ui.{self.sub.id[:8]}.test"

    @property
    def override(self) -> str:
        return f"app_whitelabel-{self.app}"

    async def nothing(self) -> None:
        """For requests that change nothing."""

    async def reset_apps(self) -> None:
        apps = {self.app: permission("admins")}
        port = self.system.apps["port"]
        await self.system.put(self.sub.database, new_apps_store(self.sub.id) | {"apps": apps, "blacklist": [port]})

    async def reset_override(self) -> None:
        texts = {"label": "Ours", "icon": "icon-en-US-a.png", "screenshots": ["screenshot-en-US-b.png"]}
        document = {"_id": self.override, "pvt_type": "app_whitelabel", "i18n": {"en-US": texts}}
        stubs = {"icon-en-US-a.png": FIRST.inline, "screenshot-en-US-b.png": ICON.inline}
        await self.system.put(self.sub.database, document | {"_attachments": stubs})

    async def reset_list(self) -> None:
        await self.reset_apps()
        await self.reset_override()

    async def remove_override(self) -> None:
        try:
            await self.system.remove(self.sub.database, self.override)
        except DocumentMissing:
            return

    async def reset_child(self) -> None:
        for (database, _), document in self.first.items():
            await self.system.put(database, copy.deepcopy(document))

    @property
    def child_domain(self) -> str:
        return f"child.{self.domain}"

    async def remove_branding(self) -> None:
        """Let ``child`` have no whitelabel."""
        await self.reset_child()
        with suppress(DocumentMissing):
            await self.system.remove(self.child.database, "whitelabel")

    async def reset_branding(self) -> None:
        await self.reset_child()
        stubs = {f"{part}-a.png": FIRST.inline for part in ("logo", "icon")}
        document = {"_id": "whitelabel", "pvt_type": "whitelabel", "domain": f"old.{self.child_domain}"}
        await self.system.put(self.child.database, document | {"_attachments": stubs})

    async def reset_reset(self) -> None:
        await self.reset_child()
        document: JsonObject = {"_id": self.reset_id, "pvt_type": "password_reset", "pvt_userid": self.guest.id}
        document["pvt_created"] = gregorian_seconds()
        await self.system.put(self.system.month(self.sub, 2020, 1), document)

    async def make_child_reseller(self) -> None:
        await self.reset_child()
        for database in ("services", "accounts", self.child.database):
            await self.system.put(database, {**self.first[database, self.child.id], "pvt_reseller": True})

    async def apps(self) -> JsonObject:
        """The stored permissions of ``sub``."""
        return dict((await self.system.stored(self.sub)).get("apps", {}))

    async def stored(self, database: str, doc_id: str) -> JsonObject:
        try:
            return await self.system.couch.open_doc(database, doc_id)
        except (DocumentMissing, DatabaseMissing):
            return {}


def data_of(answer: Answer) -> Any:
    """What is compared: the data of an envelope, or the bytes."""
    if answer.headers.get("Content-Type") != "application/json":
        return answer.raw
    data = answer.data
    if isinstance(data, dict) and isinstance(data.get("reasons"), list):
        # An explanation shows revisions, which each preparation changes.
        return {**data, "reasons": [{**reason, "revision": None} for reason in data["reasons"]]}
    return data


Check = Callable[[Stage, Answer], Awaitable[bool]]


async def _unchecked(stage: Stage, answer: Answer) -> bool:
    return True


@dataclass(frozen=True)
class Row:
    """A request; ``path``, ``caller`` and ``data`` are made from the stage. ``status`` is that without a fault."""

    method: str
    route: Route
    path: Callable[[Stage], str]
    caller: Callable[[Stage], Caller]
    data: Callable[[Stage], Any] = lambda stage: NOTHING
    status: int = 200
    prepare: Callable[[Stage], Awaitable[None]] = Stage.nothing
    """Stores what the request needs."""
    check: Check = _unchecked
    """Whether what was acknowledged is stored."""
    varies: bool = False
    """Whether the data of a GET differ from time to time."""
    public: str = ""
    """The path of what is shown, marked stale, where the account cannot be read."""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.method} {'/'.join(self.route)}"

    async def send(self, client: Client, stage: Stage) -> Answer:
        data = self.data(stage)
        sent: dict[str, Any] = {"body": data} if isinstance(data, bytes) else {"data": data}
        return await client.call(self.method, self.path(stage), self.caller(stage), headers=self.headers, **sent)

    async def baseline(self, client: Client, stage: Stage) -> list[Any]:
        """The data of a GET without a fault; then those where the account cannot be read."""
        answers = [await self.send(client, stage)]
        if self.public:
            answers.append(await client.get(_at(self.public)(stage)))
        assert {answer.status for answer in answers} == {self.status}, (self.name, answers)
        return [data_of(answer) for answer in answers]

    async def warm(self, client: Client, stage: Stage) -> None:
        """Let the service read what the route needs."""
        method = "GET" if self.route in READABLE else self.method
        if method == self.method and method != "GET":
            await client.get(f"accounts/{stage.sub.id}", stage.reseller)
            return
        path, caller = self.path(stage), self.caller(stage)
        await client.call(method, path, caller)


def _sub(stage: Stage) -> Caller:
    return stage.sub


def _reseller(stage: Stage) -> Caller:
    return stage.reseller


def _parent(stage: Stage) -> Caller:
    return stage.parent


def _master(stage: Stage) -> Caller:
    return stage.system.master


def _nobody(stage: Stage) -> Caller:
    return None


def _at(path: str) -> Callable[[Stage], str]:
    """A path with ``{S}``, ``{R}``, ``{K}``, ``{V}`` for the accounts, ``{A}`` and ``{B}`` for apps, and so on."""

    def fill(stage: Stage) -> str:
        return path.format(
            S=stage.sub.id,
            R=stage.reseller.id,
            K=stage.parent.id,
            V=stage.child.id,
            A=stage.app,
            B=stage.other_app,
            U=stage.guest.id,
            D=stage.domain,
            C=stage.callflow["_id"],
            L=stage.ledger["_id"],
            X=stage.transaction["_id"],
            T=stage.system.token(stage.sub.admin),
        )

    return fill


def _new_account(stage: Stage) -> JsonObject:
    return {"name": f"New {uuid.uuid4().hex}"}


def _new_user(stage: Stage) -> JsonObject:
    return {"first_name": "Ada", "last_name": "L", "username": f"u{uuid.uuid4().hex[:8]}", "password": "countess1"}


def _login(stage: Stage) -> JsonObject:
    md5, _ = password_hashes(stage.sub.admin.name, PASSWORD)
    return {"credentials": md5, "account_realm": stage.sub.document["realm"]}


def _forgotten(stage: Stage) -> JsonObject:
    names = {"username": stage.guest.name, "account_realm": stage.sub.document["realm"]}
    return names | {"ui_url": "http://127.0.0.1:3000/"}


async def _reset_used(stage: Stage, answer: Answer) -> bool:
    user = await stage.stored(stage.sub.database, stage.guest.id)
    reset = await stage.stored(stage.system.month(stage.sub, 2020, 1), stage.reset_id)
    return user.get("require_password_update") is True and reset.get("pvt_deleted") is True


async def _account_created(stage: Stage, answer: Answer) -> bool:
    account_id = answer.data["id"]
    stage.system.adopt(account_id)
    places = [("accounts", account_id), (account_db(account_id), account_id), (account_db(account_id), "apps_store")]
    return all([await stage.stored(*place) for place in (*places, ("services", account_id))])


def _account_is(**fields: Any) -> Check:
    async def check(stage: Stage, answer: Answer) -> bool:
        places = [("accounts", stage.child.id), (stage.child.database, stage.child.id)]
        found = [await stage.stored(*place) for place in places]
        return all(fields.items() <= document.items() for document in found)

    return check


async def _key_is_new(stage: Stage, answer: Answer) -> bool:
    return await _account_is(pvt_api_key=answer.data["api_key"])(stage, answer)


def _apps_are(present: str = "", absent: str = "", allowed: str = "") -> Check:
    async def check(stage: Stage, answer: Answer) -> bool:
        apps, ids = await stage.apps(), stage.system.apps
        gone = not absent or ids[absent] not in apps
        return gone and (not present or apps.get(ids[present], {}).get("allowed_users") == allowed)

    return check


async def _blacklisted(stage: Stage, answer: Answer) -> bool:
    return (await stage.system.stored(stage.sub)).get("blacklist") == [stage.other_app]


def _override_has(test: Callable[[JsonObject], Any]) -> Check:
    async def check(stage: Stage, answer: Answer) -> bool:
        return bool(test(await stage.stored(stage.sub.database, stage.override)))

    return check


def _user_is(**fields: Any) -> Check:
    async def check(stage: Stage, answer: Answer) -> bool:
        return fields.items() <= (await stage.stored(stage.sub.database, answer.data["id"])).items()

    return check


def _child_has(doc_id: str, **fields: Any) -> Check:
    """The document of ``child``; an empty id stands for the answer's."""

    async def check(stage: Stage, answer: Answer) -> bool:
        stored = await stage.stored(stage.child.database, doc_id or answer.data["id"])
        return fields.items() <= stored.items()

    return check


def _branding_is(domain: str | None, test: Callable[[JsonObject], Any]) -> Check:
    """``domain`` is the one that both copies of the account have, with ``{D}`` for the child's."""

    async def check(stage: Stage, answer: Answer) -> bool:
        wanted = domain and domain.format(D=stage.child_domain)
        places = (("accounts", stage.child.id), (stage.child.database, stage.child.id))
        found = [(await stage.stored(*place)).get("pvt_whitelabel_domain") for place in places]
        document = await stage.stored(stage.child.database, "whitelabel")
        return found == [wanted, wanted] and bool(test(document))

    return check


async def _booked(stage: Stage, answer: Answer) -> bool:
    database = monthly_db_of(stage.child.id, answer.data["id"])
    return (await stage.stored(database or "", answer.data["id"])).get("amount") == 100_000


def _callflow(stage: Stage) -> JsonObject:
    return {"numbers": [uuid.uuid4().hex], "flow": {"module": "offnet", "data": {}}}


def _attached(part: str, name: str) -> Check:
    """Whether the attachment is the only one of the part."""
    return _branding_is(None, lambda stored: [n for n in stored["_attachments"] if n.startswith(part)] == [name])


def _texts(document: JsonObject) -> JsonObject:
    return dict(document["i18n"]["en-US"])


_APP: Final = "accounts/{S}/apps_store/{A}"
_PNG: Final = {"Content-Type": "image/png", "X-File-Name": "new.png"}
_PATCH: Final[JsonObject] = {"first_name": "Changed"}
_CALLFLOW: Final = "accounts/{V}/callflows/{C}"
_AMOUNT: Final[JsonObject] = {
    "amount": 10,
    "source": {"service": "adjustments", "id": "x"},
    "usage": {"type": "credit", "quantity": 0, "unit": "USD"},
}

ROWS: Final = (
    Row("GET", ("about",), _at("about"), _master, varies=True),
    *(
        Row("GET", tuple(path.split("/")), _at(f"accounts/{{S}}/{path}"), _sub)
        for path in (
            *("access_lists", "alerts", "callflows", "ledgers", "limits", "multi_factor", "phone_numbers/classifiers"),
            *("security", "services", "services/summary", "transactions", "webhooks"),
        )
    ),
    Row("GET", ("alerts", ANY), _at("accounts/{S}/alerts/unknown"), _sub, status=404),
    Row("GET", ("callflows", ANY), _at("accounts/{S}/callflows/{C}"), _sub),
    Row("GET", ("ledgers", ANY), _at("accounts/{S}/ledgers/total"), _sub),
    Row("GET", ("ledgers", ANY, ANY), _at("accounts/{S}/ledgers/payments/{L}"), _sub),
    Row("GET", ("transactions", ANY), _at("accounts/{S}/transactions/{X}"), _sub),
    Row(
        *("PUT", ("callflows",), _at("accounts/{V}/callflows"), _parent, _callflow, 201),
        check=_child_has("", pvt_type="callflow"),
    ),
    Row(
        *("POST", ("callflows", ANY), _at(_CALLFLOW), _parent, lambda stage: {**_callflow(stage), "name": "Posted"}),
        prepare=Stage.reset_child,
        check=_child_has("", name="Posted"),
    ),
    Row(
        *("PATCH", ("callflows", ANY), _at(_CALLFLOW), _parent, lambda stage: {"name": "Patched"}),
        prepare=Stage.reset_child,
        check=_child_has("", name="Patched"),
    ),
    Row(
        *("DELETE", ("callflows", ANY), _at(_CALLFLOW), _parent),
        prepare=Stage.reset_child,
        check=_child_has("", pvt_deleted=True),
    ),
    *(
        Row(
            *("PUT", ("ledgers", kind), _at(f"accounts/{{V}}/ledgers/{kind}"), _master, lambda stage: _AMOUNT, 201),
            check=_booked,
        )
        for kind in ("credit", "debit")
    ),
    Row(
        *("POST", ("limits",), _at("accounts/{V}/limits"), _parent, lambda stage: {"inbound_trunks": 2}),
        check=_child_has("limits", inbound_trunks=2),
    ),
    Row(
        *("POST", ("security",), _at("accounts/{V}/security"), _parent),
        lambda stage: {"auth_modules": {"cb_api_auth": {"enabled": True}}},
        check=_child_has("configs_crossbar.auth", auth_modules={"cb_api_auth": {"enabled": True}}),
    ),
    Row("PUT", ("accounts",), _at("accounts"), _parent, _new_account, 201, check=_account_created),
    Row("GET", ("accounts", ANY), _at("accounts/{S}"), _sub),
    Row("PUT", ("accounts", ANY), _at("accounts/{K}"), _parent, _new_account, 201, check=_account_created),
    Row(
        *("POST", ("accounts", ANY), _at("accounts/{V}"), _parent),
        lambda stage: {"name": stage.child.name, "realm": stage.child.document["realm"], "language": "de-DE"},
        prepare=Stage.reset_child,
        check=_account_is(language="de-DE"),
    ),
    Row(
        *("PATCH", ("accounts", ANY), _at("accounts/{V}"), _parent, lambda stage: {"language": "fr-FR"}),
        prepare=Stage.reset_child,
        check=_account_is(language="fr-FR"),
    ),
    Row(
        *("DELETE", ("accounts", ANY), _at("accounts/{V}"), _parent),
        prepare=Stage.reset_child,
        check=_account_is(pvt_deleted=True),
    ),
    *(
        Row("GET", ("accounts", ANY, listing), _at(f"accounts/{{S}}/{listing}"), _reseller)
        for listing in ("children", "descendants", "parents", "siblings", "tree")
    ),
    Row(
        *("PUT", ("accounts", ANY, "reseller"), _at("accounts/{V}/reseller"), _master),
        status=201,
        prepare=Stage.reset_child,
        check=_account_is(pvt_reseller=True),
    ),
    Row(
        *("DELETE", ("accounts", ANY, "reseller"), _at("accounts/{V}/reseller"), _master),
        prepare=Stage.make_child_reseller,
        check=_account_is(pvt_reseller=False),
    ),
    Row("GET", ("accounts", ANY, "api_key"), _at("accounts/{S}/api_key"), _reseller),
    Row(
        *("PUT", ("accounts", ANY, "api_key"), _at("accounts/{V}/api_key"), _parent),
        status=201,
        prepare=Stage.reset_child,
        check=_key_is_new,
    ),
    Row(
        *("PUT", ("api_auth",), _at("api_auth"), _nobody),
        lambda stage: {"api_key": stage.sub.document["pvt_api_key"]},
        201,
    ),
    Row("GET", ("apps_link", "authorize"), _at("apps_link/authorize"), _sub, prepare=Stage.reset_list),
    Row("GET", ("apps_store",), _at("accounts/{S}/apps_store"), _sub, prepare=Stage.reset_list),
    Row("GET", ("apps_store", ANY), _at(_APP), _sub, prepare=Stage.reset_list),
    Row(
        *("PUT", ("apps_store", ANY), _at("accounts/{S}/apps_store/{B}"), _sub, lambda stage: {"allowed_users": "all"}),
        201,
        prepare=Stage.reset_apps,
        check=_apps_are("numbers", allowed="all"),
    ),
    Row(
        *("POST", ("apps_store", ANY), _at(_APP), _sub, lambda stage: {"allowed_users": "all"}),
        prepare=Stage.reset_apps,
        check=_apps_are("voip", allowed="all"),
    ),
    Row(
        *("DELETE", ("apps_store", ANY), _at(_APP), _sub),
        prepare=Stage.reset_apps,
        check=_apps_are(absent="voip"),
    ),
    Row(
        "GET",
        ("apps_store", "blacklist"),
        _at("accounts/{S}/apps_store/blacklist"),
        _reseller,
        prepare=Stage.reset_list,
    ),
    Row(
        *("POST", ("apps_store", "blacklist"), _at("accounts/{S}/apps_store/blacklist"), _reseller),
        lambda stage: {"blacklist": [stage.other_app]},
        prepare=Stage.reset_apps,
        check=_blacklisted,
    ),
    Row("GET", ("apps_store", ANY, "explain"), _at(f"{_APP}/explain"), _reseller, prepare=Stage.reset_list),
    # As on a system without one.
    Row("GET", ("apps_store", "marketplace"), _at("apps_store/marketplace"), _master),
    Row(
        *("PATCH", ("apps_store", "marketplace"), _at("apps_store/marketplace"), _master),
        lambda stage: {"action": "enable"},
        404,
    ),
    Row(
        "GET",
        ("apps_store", ANY, "icon"),
        _at(f"{_APP}/icon"),
        _sub,
        prepare=Stage.reset_list,
        public="apps_store/{A}/icon",
    ),
    Row(
        "GET",
        ("apps_store", ANY, "screenshot", ANY),
        _at(f"{_APP}/screenshot/0"),
        _sub,
        prepare=Stage.reset_list,
        public="apps_store/{A}/screenshot/0",
    ),
    Row("GET", ("apps_store", ANY, "override"), _at(f"{_APP}/override"), _sub, prepare=Stage.reset_override),
    Row(
        *("PUT", ("apps_store", ANY, "override"), _at(f"{_APP}/override"), _sub, lambda stage: {"author": "Us"}, 201),
        prepare=Stage.remove_override,
        check=_override_has(lambda document: document["author"] == "Us"),
    ),
    Row(
        *("POST", ("apps_store", ANY, "override"), _at(f"{_APP}/override"), _sub, lambda stage: {"author": "Them"}),
        prepare=Stage.reset_override,
        check=_override_has(lambda document: document["author"] == "Them"),
    ),
    Row(
        *("DELETE", ("apps_store", ANY, "override"), _at(f"{_APP}/override"), _sub),
        prepare=Stage.reset_override,
        check=_override_has(lambda document: not document or document["pvt_deleted"]),
    ),
    Row(
        *("GET", ("apps_store", ANY, "override", "icon"), _at(f"{_APP}/override/icon"), _sub),
        prepare=Stage.reset_override,
    ),
    Row(
        *("POST", ("apps_store", ANY, "override", "icon"), _at(f"{_APP}/override/icon"), _sub),
        lambda stage: FIRST.body,
        prepare=Stage.reset_override,
        check=_override_has(lambda document: _texts(document)["icon"] == "icon-en-US-new.png"),
        headers=_PNG,
    ),
    Row(
        *("DELETE", ("apps_store", ANY, "override", "icon"), _at(f"{_APP}/override/icon"), _sub),
        prepare=Stage.reset_override,
        check=_override_has(lambda document: "icon" not in _texts(document)),
    ),
    Row(
        *("POST", ("apps_store", ANY, "override", "screenshot"), _at(f"{_APP}/override/screenshot"), _sub),
        lambda stage: FIRST.body,
        prepare=Stage.reset_override,
        check=_override_has(lambda document: "screenshot-en-US-new.png" in _texts(document)["screenshots"]),
        headers=_PNG,
    ),
    Row(
        *("GET", ("apps_store", ANY, "override", "screenshot", ANY), _at(f"{_APP}/override/screenshot/0"), _sub),
        prepare=Stage.reset_override,
    ),
    Row(
        *("DELETE", ("apps_store", ANY, "override", "screenshot", ANY), _at(f"{_APP}/override/screenshot/0"), _sub),
        prepare=Stage.reset_override,
        check=_override_has(lambda document: not _texts(document).get("screenshots")),
    ),
    Row("GET", ("auth", "tokeninfo"), _at("auth/tokeninfo?token={T}"), _sub, varies=True),
    Row(
        *("POST", ("auth", "tokeninfo"), _at("auth/tokeninfo"), _sub),
        lambda stage: {"token": stage.system.token(stage.sub.admin)},
    ),
    Row("GET", ("i18n", ANY), _at("i18n/de-DE"), _master),
    Row("GET", ("schemas",), _at("schemas"), _nobody),
    Row("GET", ("schemas", ANY), _at("schemas/users"), _nobody),
    Row("GET", ("search",), _at("search?t=account&q=name&v=s"), _reseller),
    Row("GET", ("search", "multi"), _at("accounts/{S}/search/multi?t=user&by_name="), _reseller, varies=True),
    Row("GET", ("token_auth",), _at("token_auth"), _sub, varies=True),
    Row("DELETE", ("token_auth",), _at("token_auth"), _sub),
    Row("PUT", ("user_auth",), _at("user_auth"), _nobody, _login, 201),
    Row("GET", ("user_auth", ANY), _at("accounts/{S}/user_auth/{T}"), _sub, varies=True),
    # What is made of it comes after the answer.
    Row("PUT", ("user_auth", "recovery"), _at("user_auth/recovery"), _nobody, _forgotten, 201),
    Row(
        *("POST", ("user_auth", "recovery"), _at("user_auth/recovery"), _nobody),
        lambda stage: {"reset_id": stage.reset_id},
        prepare=Stage.reset_reset,
        check=_reset_used,
    ),
    Row("GET", ("users",), _at("accounts/{R}/users"), _reseller),
    Row("PUT", ("users",), _at("accounts/{S}/users"), _sub, _new_user, 201, check=_user_is(first_name="Ada")),
    Row("GET", ("users", ANY), _at("accounts/{S}/users/{U}"), _sub, prepare=Stage.reset_child),
    Row(
        *("POST", ("users", ANY), _at("accounts/{S}/users/{U}"), _sub),
        lambda stage: {"first_name": "Other", "last_name": "Name", "username": stage.guest.name},
        prepare=Stage.reset_child,
        check=_user_is(first_name="Other"),
    ),
    Row(
        *("PATCH", ("users", ANY), _at("accounts/{S}/users/{U}"), _sub, lambda stage: _PATCH),
        prepare=Stage.reset_child,
        check=_user_is(first_name="Changed"),
    ),
    Row(
        *("DELETE", ("users", ANY), _at("accounts/{S}/users/{U}"), _sub),
        prepare=Stage.reset_child,
        check=_user_is(pvt_deleted=True),
    ),
    Row("GET", ("whitelabel",), _at("accounts/{S}/whitelabel"), _sub),
    Row("GET", ("whitelabel", ANY), _at("whitelabel/{D}"), _nobody),
    *(
        Row("GET", ("whitelabel", ANY, part), _at(f"whitelabel/{{D}}/{part}"), _nobody)
        for part in ("icon", "logo", "welcome")
    ),
    *(
        Row("GET", ("whitelabel", part), _at(f"accounts/{{S}}/whitelabel/{part}"), _sub)
        for part in ("icon", "logo", "welcome")
    ),
    Row(
        *("PUT", ("whitelabel",), _at("accounts/{V}/whitelabel"), _parent),
        lambda stage: {"domain": stage.child_domain},
        201,
        prepare=Stage.remove_branding,
        check=_branding_is("{D}", lambda stored: stored),
    ),
    Row(
        *("POST", ("whitelabel",), _at("accounts/{V}/whitelabel"), _parent),
        lambda stage: {"domain": stage.child_domain, "company_name": "New"},
        prepare=Stage.reset_branding,
        check=_branding_is("{D}", lambda stored: stored["company_name"] == "New" and stored["_attachments"]),
    ),
    Row(
        *("DELETE", ("whitelabel",), _at("accounts/{V}/whitelabel"), _parent),
        prepare=Stage.reset_branding,
        check=_branding_is(None, lambda stored: stored == {}),
    ),
    *(
        Row(
            *("POST", ("whitelabel", part), _at(f"accounts/{{V}}/whitelabel/{part}"), _parent, lambda stage: ICON.body),
            prepare=Stage.reset_branding,
            check=_attached(part, f"{part}-new.png"),
            headers=_PNG,
        )
        for part in ("icon", "logo")
    ),
    Row(
        *("POST", ("whitelabel", "welcome"), _at("accounts/{V}/whitelabel/welcome"), _parent, lambda stage: b"<p>Hi"),
        prepare=Stage.reset_branding,
        check=_attached("welcome", "welcome-new.html"),
        headers={"Content-Type": "text/html", "X-File-Name": "new.html"},
    ),
)

READABLE: Final = frozenset(row.route for row in ROWS if row.method == "GET")
