"""Who calls: a family of accounts, and every kind of caller in it."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from crossbar_appstore.json_codec import JsonObject
from tests.kit.accounts import Account, User
from tests.kit.apps import FIRST, ICON, permission
from tests.kit.system import System

PARENTS: Final[Mapping[str, str]] = {
    "deleted": "master",
    "disabled": "deleted",
    "grandparent": "disabled",
    "parent": "grandparent",
    "own": "parent",
    "child": "own",
    "sibling": "parent",
    "rival": "master",
    "stranger": "rival",
    "superduper": "rival",
}
"""Account → the account above it. ``own`` is in most paths, the others are named by their relation to it; ``rival`` is
another reseller, ``superduper`` may access every account without being above it."""
RESELLERS: Final = frozenset({"grandparent", "parent", "rival"})
LIMITED: Final = "limited"
"""The privilege level whose tokens ``own`` restricts to nothing."""


def ancestors(name: str) -> Iterator[str]:
    while name in PARENTS:
        name = PARENTS[name]
        yield name


@dataclass
class Family:
    """The accounts by name. ``users`` are those of ``own`` beside its administrator and plain user."""

    system: System
    accounts: dict[str, Account] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)

    @classmethod
    async def create(cls, system: System) -> Self:
        made = cls(system, {"master": system.master})
        for name, parent in PARENTS.items():
            made.accounts[name] = await system.account(name, made.accounts[parent], reseller=name in RESELLERS)
        own = made.own
        made.users = {
            "gone": await system.user(own, priv_level="admin", pvt_deleted=True),
            "disabled": await system.user(own, priv_level="admin", enabled=False),
            "limited": await system.user(own, priv_level=LIMITED),
            "other": await system.user(own, priv_level="user"),
        }
        # These are not among the fields that a client may set.
        await system.change_user(made.users["gone"], pvt_deleted=True)
        await system.change(made.accounts["disabled"], pvt_enabled=False)
        await system.change(made.accounts["deleted"], pvt_deleted=True)
        await system.change(made.accounts["superduper"], pvt_superduper_admin=True)
        await made._fill()
        return made

    @property
    def own(self) -> Account:
        return self.accounts["own"]

    @property
    def domain(self) -> str:
        return f"ui.{self.own.id[:8]}.example.org"

    @cached_property
    def names(self) -> dict[str, str]:
        """What the braces in a path stand for."""
        accounts = {name: account.id for name, account in self.accounts.items()}
        users = {f"{name}_user": user.id for name, user in self.users.items()}
        own = {"user": self.own.user.id, "domain": self.domain, "valid": self.system.token(self.own.user)}
        other = {"first": "0", "german": "de", "schema": "users", "callflow": "c" * 32}
        money = {"alert": "a" * 32, "source": "payments"}
        return {**self.system.apps, **accounts, **users, **own, **other, **money}

    async def _fill(self) -> None:
        """Give ``own`` what the rows of the table read and change."""
        system, own = self.system, self.own
        await ensure(system.couch, "accounts", names_for(DatabaseClass.ACCOUNTS))
        await system.store(own, apps={system.apps[name]: permission() for name in ("voip", "port")}, blacklist=["x"])
        nothing: JsonObject = {"_": {LIMITED: {"_": []}}}
        await system.put(own.database, {"_id": "token_restrictions", "restrictions": nothing})
        attached = {f"{part}-x.png": ICON.inline for part in ("icon", "logo", "welcome")}
        branding = {"_id": "whitelabel", "pvt_type": "whitelabel", "domain": self.domain, "_attachments": attached}
        await system.put(own.database, branding)
        await system.change(own, pvt_whitelabel_domain=self.domain)
        pictures = {"icon-en-US-a.png": ICON.inline, "screenshot-en-US-b.png": FIRST.inline}
        texts = {"en-US": {"icon": "icon-en-US-a.png", "screenshots": ["screenshot-en-US-b.png"]}}
        override = {"_id": f"app_whitelabel-{system.apps['voip']}", "pvt_type": "app_whitelabel", "i18n": texts}
        await system.put(own.database, {**override, "_attachments": pictures})
        await system.put(own.database, {"_id": "c" * 32, "pvt_type": "callflow", "numbers": ["no_match"], "flow": {}})


@dataclass(frozen=True)
class Caller:
    """A caller and what the service should make of it.

    ``account`` is the account that acts, None for a caller who is nobody; ``admin`` whether everybody who acts
    administers their account, an API key counting as an administrator. ``level`` names the user: ``admin``, ``user``,
    ``key`` for the account itself, or one of the family's ``users``. ``behind`` is the user whose token masquerades.
    """

    name: str
    account: str | None
    level: str = "admin"
    admin: bool = False
    scheme: str = "token"
    behind: tuple[str, str] | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    expired: bool = False
    restricted: bool = False

    @property
    def is_superduper(self) -> bool:
        return self.account in ("master", "superduper") and self.behind is None

    @property
    def has_token(self) -> bool:
        """Whether it is identified by a JSON Web Token in ``X-Auth-Token``."""
        return self.account is not None and self.scheme == "token"

    @property
    def has_user(self) -> bool:
        """Whether everybody who acts is a user, and no API key."""
        return self.level != "key" and (self.behind is None or self.behind[1] != "key")

    @property
    def itself(self) -> bool:
        """Whether it is the plain user of ``own``, with a token of its own."""
        return (self.account, self.level, self.behind) == ("own", "user", None)

    def relation(self, target: str | None) -> str | None:
        """``own``, ``above`` or ``elsewhere``, seen from the account in the path; None if either is missing."""
        if target is None or self.account is None:
            return None
        if self.account == target:
            return "own"
        return "above" if self.account in ancestors(target) else "elsewhere"


NOBODY: Final = ("anonymous", "undefined", "garbage", "unknown basic", "unknown bearer")


def every_caller() -> Iterator[Caller]:
    for name in NOBODY:
        yield Caller(name, None, scheme=name)
    yield Caller("expired", None, "own admin", expired=True, claims={"exp": 1000})
    for account in ("own", "parent", "child", "master", "superduper"):
        for level in ("admin", "user", "key"):
            yield Caller(f"{account} {level}", account, level, admin=level != "user")
    # A disabled account logs nobody in; the tokens that it has work until they expire, as in KAZOO.
    for account in ("grandparent", "disabled", "sibling", "stranger", "rival"):
        yield Caller(f"{account} admin", account, "admin", admin=True)
    # The database of a deleted account is kept (E4), but nobody acts for it any more.
    for level in ("admin", "key"):
        yield Caller(f"deleted {level}", None, f"deleted {level}")
    yield Caller("deleted admin unsigned", None, "deleted admin", claims={"identity_sig": None})
    yield Caller("user gone", None, "own gone")
    # As KAZOO: what is not signed with a user's secret outlasts the user, who administers nothing.
    yield Caller("user gone unsigned", "own", "gone", claims={"identity_sig": None})
    yield Caller("user disabled", "own", "disabled", admin=True)
    yield Caller("user limited", "own", "limited", restricted=True)
    yield Caller("basic admin", "own", "admin", admin=True, scheme="basic")
    yield Caller("basic user", "own", "user", scheme="basic")
    yield Caller("basic parent admin", "parent", "admin", admin=True, scheme="basic")
    yield Caller("basic disabled", None, "own disabled", scheme="basic")
    yield Caller("basic gone", None, "own gone", scheme="basic")
    yield Caller("basic deleted", None, "deleted admin", scheme="basic")
    yield Caller("bearer admin", "own", "admin", admin=True, scheme="bearer")
    yield Caller("bearer user", "own", "user", scheme="bearer")
    for behind, level, admin in (
        (("parent", "admin"), "admin", True),
        (("parent", "admin"), "user", False),
        (("parent", "user"), "admin", False),
        (("parent", "key"), "admin", True),
        (("master", "admin"), "admin", True),
        (("superduper", "admin"), "admin", None),
        (("own", "admin"), "admin", None),
        (("child", "admin"), "admin", None),
        (("stranger", "admin"), "admin", None),
    ):
        name = f"{' '.join(behind)} as own {level}"
        # Only accounts above may masquerade; whoever tries otherwise is nobody.
        yield Caller(name, None if admin is None else "own", level, admin=bool(admin), behind=behind)


CALLERS: Final = {caller.name: caller for caller in every_caller()}


async def credentials(family: Family, caller: Caller) -> dict[str, str]:
    """The headers that identify a caller."""
    system = family.system
    match caller.scheme:
        case "anonymous":
            return {}
        case "undefined" | "garbage":
            return {"X-Auth-Token": caller.scheme}
        case "unknown basic":
            return basic(family.own.id, "0" * 32)
        case "unknown bearer":
            return {"Authorization": f"Bearer {32 * '0'}"}
        case "basic":
            user = _holder(family, caller)
            assert isinstance(user, User)
            return basic(user.account.id, user.document["pvt_md5_auth"])
        case "bearer":
            stored = {"_id": f"bearer{family.own.id}{caller.level}", "Token": token_of(family, caller)}
            await system.put("system_auth", stored)
            return {"Authorization": f"Bearer {stored['_id']}"}
    return {"X-Auth-Token": token_of(family, caller)}


def basic(account_id: str, proof: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{account_id}:{proof}'.encode()).decode()}"}


def token_of(family: Family, caller: Caller) -> str:
    claims = dict(caller.claims)
    if caller.behind is not None:
        mask = getattr(family.own, caller.level)
        claims["as"] = {"account_id": family.own.id, "owner_id": mask.id}
    return family.system.token(_holder(family, caller), **claims)


def _holder(family: Family, caller: Caller) -> Account | User:
    """Whose credentials are sent."""
    account, level = caller.behind or (caller.account, caller.level)
    if account is None:
        account, level = level.split()
    if level in family.users:
        return family.users[level]
    found = family.accounts[account]
    if level == "key":
        return found
    return found.admin if level == "admin" else found.user
