"""Accounts and users with their documents."""

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import Place, account_document, services_document, user_document
from crossbar_appstore.kazoo.ids import account_db
from tests.kit.leaks import remember

PASSWORD: Final = "secret"


@dataclass(eq=False)
class User:
    """A user of an account; the password is ``PASSWORD``."""

    account: "Account"
    document: JsonObject

    @property
    def id(self) -> str:
        return str(self.document["_id"])

    @property
    def name(self) -> str:
        return str(self.document["username"])


@dataclass(frozen=True)
class ApiKey:
    """The caller that logged in with an account's API key: the account without a user."""

    account: "Account"


@dataclass(eq=False)
class Account:
    """An account with an administrator and a plain user. ``services`` is its document in that database."""

    document: JsonObject
    services: JsonObject
    users: list[User] = field(default_factory=list)

    @classmethod
    def new(cls, name: str, parent: "Account | None", *, reseller: bool = False, **fields: Any) -> "Account":
        """``fields`` go into the account document."""
        account_id, place = uuid.uuid4().hex, _below(parent)
        public = {"name": f"{name} {account_id[:8]}", "realm": f"{account_id[:8]}.example.org", **fields}
        reseller = reseller or place.is_master
        made = cls(
            account_document(account_id, public, place) | {"pvt_reseller": reseller},
            services_document(account_id, place) | {"pvt_reseller": reseller},
        )
        remember(made.document)
        for level in ("admin", "user"):
            made.users.append(made.new_user(priv_level=level))
        return made

    def new_user(self, **fields: Any) -> User:
        level = fields.get("priv_level", "user")
        name = f"{level}-{uuid.uuid4().hex[:6]}"
        fields = {"first_name": "Some", "last_name": level, **fields}
        document = user_document(uuid.uuid4().hex, self.id, fields, username=name, password=PASSWORD)
        remember(document)
        return User(self, document)

    @property
    def id(self) -> str:
        return str(self.document["_id"])

    @property
    def name(self) -> str:
        return str(self.document["name"])

    @property
    def database(self) -> str:
        return account_db(self.id)

    @property
    def admin(self) -> User:
        return self.users[0]

    @property
    def user(self) -> User:
        return self.users[1]

    @property
    def alone(self) -> ApiKey:
        return ApiKey(self)

    @property
    def path(self) -> str:
        """The path of the account's app store."""
        return f"accounts/{self.id}/apps_store"


def _below(parent: Account | None) -> Place:
    if parent is None:
        return Place()
    document = parent.document
    reseller = parent.id if document["pvt_reseller"] else document["pvt_reseller_id"]
    return Place((*document["pvt_tree"], parent.id), reseller)
