"""The authorization table: a row for every route and method, with the rule that says who may make the request.

The rules are KAZOO's (``cb_simple_authz`` and the ``authorize`` of each module) and deviations D17, D24 and D25.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.kit.apps import ICON
from tests.security.callers import Caller

Rule = Callable[["Request"], bool]


@dataclass(frozen=True)
class Request:
    """A caller's request. ``target`` is the account in the path; ``need_admin`` the setting for writes (D25)."""

    caller: Caller
    target: str | None
    need_admin: bool

    @property
    def is_known(self) -> bool:
        return self.caller.account is not None

    @property
    def is_above(self) -> bool:
        return self.caller.relation(self.target) == "above"

    @property
    def is_own(self) -> bool:
        return self.caller.relation(self.target) == "own"

    @property
    def may_write(self) -> bool:
        return self.caller.admin or not self.need_admin


def anybody(request: Request) -> bool:
    return True


def known(request: Request) -> bool:
    return request.is_known


def by_token(request: Request) -> bool:
    return request.caller.has_token


def nobody(request: Request) -> bool:
    return False


def reads(request: Request) -> bool:
    """The account itself, the accounts above it, and superduper admins."""
    return request.is_own or request.is_above or request.caller.is_superduper


def writes(request: Request) -> bool:
    return reads(request) and request.may_write


def superduper(request: Request) -> bool:
    return request.caller.is_superduper


def superduper_writes(request: Request) -> bool:
    return request.caller.is_superduper and request.may_write


def creates(request: Request) -> bool:
    """A sub-account of the caller's own."""
    return request.is_known and request.may_write


def hides(request: Request) -> bool:
    """The accounts above read the blacklist, not the account itself."""
    return request.is_above


def hides_writes(request: Request) -> bool:
    return request.is_above and request.may_write


def explains(request: Request) -> bool:
    """Administrators of the accounts above, and superduper admins."""
    return (request.is_above or request.caller.is_superduper) and request.may_write


def resells(request: Request) -> bool:
    """The reseller of the account, which is the one right above ``own``."""
    caller = request.caller
    return (caller.account == "parent" or caller.is_superduper) and request.may_write


def deletes(request: Request) -> bool:
    """An account is not deleted by itself."""
    return writes(request) and not request.is_own


def changes_user(request: Request) -> bool:
    """An administrator, and users their own document."""
    return writes(request) or request.caller.itself


def changes_key(request: Request) -> bool:
    """A user who administers an account, whatever the setting."""
    return reads(request) and request.caller.has_user and request.caller.admin


def sees_siblings(request: Request) -> bool:
    """The siblings of an account are customers of somebody else: only the accounts above see them."""
    return request.is_above or request.caller.is_superduper


def impersonates(request: Request) -> bool:
    """A user who administers a superduper account, in another account, whatever the setting."""
    caller = request.caller
    return caller.is_superduper and caller.has_user and caller.admin and not request.is_own


def own_session(request: Request) -> bool:
    return request.is_own


def views_domain(request: Request) -> bool:
    """The domain's account (``own``), those above it, and its customers."""
    return reads(request) or request.caller.account == "child"


@dataclass(frozen=True)
class Row:
    """``ok`` is the status for callers whom the rule lets in. A row that ``changes`` something is sent with a failing
    precondition then, and answers 412 instead."""

    method: str
    path: str
    rule: Rule
    ok: int = 200
    data: Any = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    changes: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def target(self) -> str | None:
        """The account in the path."""
        first, *rest = self.path.partition("?")[0].split("/")
        return rest[0].strip("{}") if first == "accounts" and rest else "own" if "{domain}" in self.path else None


def get(path: str, rule: Rule, ok: int = 200) -> Row:
    return Row("GET", path, rule, ok)


def put(path: str, rule: Rule, data: Any = None, ok: int = 201) -> Row:
    return Row("PUT", path, rule, ok, data or {}, changes=ok < 300)


def post(path: str, rule: Rule, data: Any = None, ok: int = 200, method: str = "POST") -> Row:
    return Row(method, path, rule, ok, data or {}, changes=ok < 300)


def patch(path: str, rule: Rule, data: Any = None, ok: int = 200) -> Row:
    return post(path, rule, data, ok, "PATCH")


def delete(path: str, rule: Rule, ok: int = 200) -> Row:
    return Row("DELETE", path, rule, ok, changes=ok < 300)


def upload(path: str, rule: Rule, ok: int = 200) -> Row:
    headers = {"Content-Type": ICON.content_type, "X-File-Name": "new.png"}
    return Row("POST", path, rule, ok, body=ICON.body, headers=headers, changes=ok < 300)


def page(path: str, rule: Rule, ok: int = 200) -> Row:
    return Row("POST", path, rule, ok, body=b"<p>Hello", headers={"Content-Type": "text/html"}, changes=ok < 300)


def asks(method: str, path: str, rule: Rule, data: Any = None, ok: int = 200) -> Row:
    """A method of a write that changes nothing."""
    return Row(method, path, rule, ok, data)


A: Final = "accounts/{own}"
NAMES: Final = {"first_name": "Some", "last_name": "Body"}
TEXTS: Final = {"i18n": {"en-US": {"label": "Ours"}}}
BRANDING: Final = {"domain": "{domain}"}
PICTURES: Final = {"en-US": {"icon": "icon-en-US-a.png", "screenshots": ["screenshot-en-US-b.png"]}}
KEY: Final = {"api_key": "{api_key}"}
LOGIN: Final = {"credentials": "{md5}", "account_name": "{account_name}"}
AMOUNT: Final = {
    "source": {"service": "payments", "id": "x"},
    "usage": {"type": "credit", "quantity": 0, "unit": "USD"},
}
CALLFLOW: Final = {"numbers": ["no_match"], "flow": {"module": "offnet", "data": {}}}
IMPERSONATE: Final = {"action": "impersonate_user"}
FORGOTTEN: Final = {"username": "somebody", "account_name": "{account_name}", "ui_url": "http://127.0.0.1:3000/"}
RESET: Final = {"reset_id": "0" * 137}

# In an order in which an allowed caller can make all of them.
ROWS: Final = (
    get("about", superduper),
    get(f"{A}/about", reads),
    # Accounts
    put("accounts", creates, {"name": "Below the caller"}),
    get(A, reads),
    put(A, writes, {"name": "Below own"}),
    post(A, writes, {"name": "{account_name}"}),
    patch(A, writes, {"timezone": "Europe/Berlin"}),
    get(f"{A}/children", reads),
    get(f"{A}/descendants", reads),
    get(f"{A}/parents", reads),
    get(f"{A}/siblings", sees_siblings),
    get(f"{A}/tree", reads),
    put("accounts/{child}/reseller", superduper_writes),
    delete("accounts/{child}/reseller", superduper_writes),
    get(f"{A}/api_key", writes),
    put("accounts/{child}/api_key", changes_key),
    # Logins
    asks("PUT", "api_auth", anybody, KEY, ok=201),
    asks("PUT", f"{A}/api_auth", reads, KEY, ok=201),
    asks("PUT", "user_auth", anybody, LOGIN, ok=201),
    asks("PUT", f"{A}/user_auth", reads, LOGIN, ok=201),
    asks("PUT", f"{A}/users/{{user}}/user_auth", impersonates, IMPERSONATE, ok=201),
    asks("PUT", "user_auth/recovery", anybody, FORGOTTEN, ok=501),
    asks("PUT", f"{A}/user_auth/recovery", reads, FORGOTTEN, ok=501),
    asks("POST", "user_auth/recovery", anybody, RESET, ok=400),
    asks("POST", f"{A}/user_auth/recovery", reads, RESET, ok=400),
    get(f"{A}/user_auth/{{token}}", own_session),
    get("user_auth/{token}", nobody),
    get("token_auth", known),
    get(f"{A}/token_auth", reads),
    asks("DELETE", "token_auth", known),
    asks("DELETE", f"{A}/token_auth", reads),
    get("auth/tokeninfo?token={valid}", anybody),
    get(f"{A}/auth/tokeninfo?token={{valid}}", reads),
    asks("POST", "auth/tokeninfo", anybody, {"token": "{valid}"}),
    asks("POST", f"{A}/auth/tokeninfo", reads, {"token": "{valid}"}),
    get("apps_link/authorize", known),
    get(f"{A}/apps_link/authorize", reads),
    # Searches
    get("search?t=account&q=name&v=", known),
    get(f"{A}/search?t=account&q=name&v=", reads),
    get(f"{A}/search?t=user&q=name&v=", reads),
    get("search/multi?t=account&by_name=", known),
    get(f"{A}/search/multi?t=user&by_name=", reads),
    # Apps
    get("apps_store", superduper, 400),
    get(f"{A}/apps_store", reads),
    get("account/apps_store", by_token),
    get("apps_store/{voip}", superduper, 400),
    get(f"{A}/apps_store/{{voip}}", reads),
    get("whitelabel/{domain}/apps_store/{voip}", views_domain),
    put("apps_store/{voip}", superduper_writes, ok=400),
    put(f"{A}/apps_store/{{numbers}}", writes, {"allowed_users": "all"}),
    post("apps_store/{voip}", superduper_writes, ok=400),
    post(f"{A}/apps_store/{{voip}}", writes, {"allowed_users": "admins"}),
    post(f"{A}/devices/apps_store/{{voip}}", writes, {"allowed_users": "admins"}),
    delete("apps_store/{voip}", superduper_writes, 400),
    delete(f"{A}/apps_store/{{port}}", writes),
    get("apps_store/blacklist", nobody),
    get(f"{A}/apps_store/blacklist", hides),
    asks("POST", "apps_store/blacklist", nobody, {"blacklist": []}),
    post(f"{A}/apps_store/blacklist", hides_writes, {"blacklist": []}),
    get("apps_store/{voip}/explain", superduper_writes, 400),
    get(f"{A}/apps_store/{{voip}}/explain", explains),
    get("apps_store/{voip}/icon", anybody),
    get("i18n/de/apps_store/{voip}/icon", anybody),
    get("whitelabel/{domain}/apps_store/{voip}/icon", anybody),
    get("users/{user}/apps_store/{voip}/icon", superduper, 404),
    get(f"{A}/apps_store/{{voip}}/icon", reads),
    get(f"{A}/users/{{user}}/apps_store/{{voip}}/icon", reads),
    get("apps_store/{voip}/screenshot/{first}", anybody),
    get(f"{A}/apps_store/{{voip}}/screenshot/{{first}}", reads),
    # Overrides
    get("apps_store/{voip}/override", superduper, 400),
    get(f"{A}/apps_store/{{voip}}/override", reads),
    put("apps_store/{voip}/override", superduper_writes, TEXTS, 400),
    put(f"{A}/apps_store/{{hidden}}/override", writes, TEXTS),
    post("apps_store/{voip}/override", superduper_writes, TEXTS, 400),
    post(f"{A}/apps_store/{{voip}}/override", writes, {"i18n": PICTURES}),
    get("apps_store/{voip}/override/icon", superduper, 400),
    get(f"{A}/apps_store/{{voip}}/override/icon", reads),
    upload("apps_store/{voip}/override/icon", superduper_writes, 400),
    upload(f"{A}/apps_store/{{voip}}/override/icon", writes),
    delete("apps_store/{voip}/override/icon", superduper_writes, 400),
    delete(f"{A}/apps_store/{{voip}}/override/icon", writes),
    get("apps_store/{voip}/override/screenshot/{first}", superduper, 400),
    get(f"{A}/apps_store/{{voip}}/override/screenshot/{{first}}", reads),
    upload("apps_store/{voip}/override/screenshot", superduper_writes, 400),
    upload(f"{A}/apps_store/{{voip}}/override/screenshot", writes),
    delete("apps_store/{voip}/override/screenshot/{first}", superduper_writes, 400),
    delete(f"{A}/apps_store/{{voip}}/override/screenshot/{{first}}", writes),
    delete("apps_store/{voip}/override", superduper_writes, 400),
    delete(f"{A}/apps_store/{{voip}}/override", writes),
    get("apps_store/marketplace", superduper),
    get(f"{A}/apps_store/marketplace", superduper),
    patch("apps_store/marketplace", superduper_writes, ok=400),
    patch(f"{A}/apps_store/marketplace", superduper_writes, ok=400),
    # Telephony and billing
    *(
        row
        for path in (
            *("access_lists", "alerts", "callflows", "ledgers", "ledgers/available", "ledgers/total", "limits"),
            *("ledgers/{source}", "multi_factor", "phone_numbers/classifiers", "services", "services/summary"),
            "transactions",
        )
        for row in (get(path, superduper, 400), get("accounts/{own}/" + path, reads))
    ),
    get("alerts/{alert}", superduper, 400),
    get(f"{A}/alerts/{{alert}}", reads, 404),
    get("ledgers/{source}/{alert}", superduper, 400),
    get(f"{A}/ledgers/{{source}}/{{alert}}", reads, 404),
    get("transactions/{alert}", superduper, 400),
    get(f"{A}/transactions/{{alert}}", reads, 404),
    put("ledgers/credit", superduper_writes, AMOUNT, 400),
    put(f"{A}/ledgers/credit", resells, AMOUNT),
    put("ledgers/debit", superduper_writes, AMOUNT, 400),
    put(f"{A}/ledgers/debit", resells, AMOUNT),
    post("limits", superduper_writes, ok=400),
    post(f"{A}/limits", resells, {"inbound_trunks": 1}),
    get("security", known),
    get(f"{A}/security", reads),
    post("security", superduper_writes, ok=400),
    post(f"{A}/security", writes, {"auth_modules": {}}),
    get("webhooks", anybody),
    get(f"{A}/webhooks", reads),
    put("callflows", superduper_writes, CALLFLOW, 400),
    put(f"{A}/callflows", writes, {**CALLFLOW, "numbers": ["1"]}),
    get("callflows/{callflow}", superduper, 400),
    get(f"{A}/callflows/{{callflow}}", reads),
    post("callflows/{callflow}", superduper_writes, CALLFLOW, 400),
    post(f"{A}/callflows/{{callflow}}", writes, CALLFLOW),
    patch("callflows/{callflow}", superduper_writes, CALLFLOW, 400),
    patch(f"{A}/callflows/{{callflow}}", writes, CALLFLOW),
    delete("callflows/{callflow}", superduper_writes, 400),
    delete(f"{A}/callflows/{{callflow}}", writes),
    # Users
    get("users", superduper, 400),
    get(f"{A}/users", reads),
    put("users", superduper_writes, NAMES, 400),
    put(f"{A}/users", writes, NAMES),
    get("users/{user}", superduper, 400),
    get(f"{A}/users/{{user}}", reads),
    post("users/{user}", superduper_writes, NAMES, 400),
    post(f"{A}/users/{{user}}", changes_user, NAMES),
    patch("users/{user}", superduper_writes, NAMES, 400),
    patch(f"{A}/users/{{user}}", changes_user, NAMES),
    patch(f"{A}/users/{{other_user}}", writes, NAMES),
    delete("users/{user}", superduper_writes, 400),
    delete(f"{A}/users/{{user}}", writes),
    # What is public, or nearly so
    get("i18n/{german}", superduper),
    get(f"{A}/i18n/{{german}}", reads),
    get("schemas", anybody),
    get(f"{A}/schemas", reads),
    get("schemas/{schema}", anybody),
    get(f"{A}/schemas/{{schema}}", reads),
    get("whitelabel", superduper, 404),
    get(f"{A}/whitelabel", reads),
    get("whitelabel/{domain}", anybody),
    get(f"{A}/whitelabel/{{domain}}", reads),
    put("whitelabel", superduper_writes, BRANDING, 400),
    put("accounts/{child}/whitelabel", writes, {"domain": "child.{domain}"}),
    post("whitelabel", superduper_writes, BRANDING, 400),
    post(f"{A}/whitelabel", writes, BRANDING),
    delete("whitelabel", superduper_writes, 400),
    get("whitelabel/domains?domain={domain}", anybody),
    get(f"{A}/whitelabel/domains", reads),
    *(get(f"whitelabel/{part}", anybody, 404) for part in ("icon", "logo", "welcome")),
    *(get(f"{A}/whitelabel/{part}", reads) for part in ("icon", "logo", "welcome")),
    *(upload(f"whitelabel/{part}", superduper_writes, 400) for part in ("icon", "logo")),
    *(upload(f"{A}/whitelabel/{part}", writes) for part in ("icon", "logo")),
    page("whitelabel/welcome", superduper_writes, 400),
    page(f"{A}/whitelabel/welcome", writes),
    *(get(f"whitelabel/{{domain}}/{part}", anybody) for part in ("icon", "logo", "welcome")),
    *(get(f"{A}/whitelabel/{{domain}}/{part}", reads) for part in ("icon", "logo", "welcome")),
    delete(f"{A}/whitelabel", writes),
    delete("accounts/{child}", deletes),
)


def expected(row: Row, request: Request) -> int:
    """The status of an answer, from the row's rule."""
    caller = request.caller
    is_public = row.rule is anybody
    # A picture is shown to a page that was left open (D17).
    if caller.expired and not (is_public and row.method == "GET"):
        return 401
    if not request.is_known and not is_public:
        return 401
    if caller.restricted or not row.rule(request):
        # ``account`` stands for the account of a token, and needs one.
        return 401 if row.rule is by_token and not caller.has_token else 403
    return 412 if row.changes else row.ok
