"""Password resets: documents of the account's monthly database that stand for a forgotten password (`cb_user_auth`).

They have KAZOO's form, so that KAZOO accepts those of this service and the other way round. A reset is good for a
limited time and for one use.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from crossbar_appstore.datastore.errors import Conflict, DatabaseMissing
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.views import standing_alone
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import gregorian_seconds, live
from crossbar_appstore.kazoo.ids import account_db, monthly_db, new_id, new_reset_id, parse_reset_id
from crossbar_appstore.kazoo.values import as_integer, get, nonempty_text_at

PASSWORD_RESET: Final = "password_reset"
SECONDS: Final = 3600
"""How long a reset can be used, unless `crossbar` reset_id_expiry_s says otherwise."""
LENGTH: Final = 137
"""Characters of an id, unless `crossbar` reset_id_size says otherwise."""

_LENGTHS: Final = range(42, 180)
_SECRET: Final = "pvt_signature_secret"
_PROOF: Final = "pvt_user_proof"


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """A stored reset; whoever has its ``reset_id`` may set the user's password."""

    reset_id: str = field(repr=False)
    database: str
    account_id: str
    user_id: str
    expired: bool


class PasswordResets:
    """Stores, finds and uses resets. The methods raise ``DatastoreError`` if CouchDB does not answer."""

    def __init__(self, store: Datastore) -> None:
        self._store = store

    async def seconds(self) -> int:
        """How long a reset can be used."""
        configured = as_integer(await self._store.config.get("crossbar", "reset_id_expiry_s"))
        return configured if configured is not None and configured > 0 else SECONDS

    async def create(self, account_id: str, user: JsonObject) -> str:
        """Store a reset for a user of the account; returns its id, which is a secret.

        Alone, this creates the month's database. Beside KAZOO, which creates its databases itself, the previous month's
        is used if there is none yet.

        Raises:
            DatabaseMissing: there is neither.
        """
        now = datetime.now(UTC)
        previous = (now.year, now.month - 1) if now.month > 1 else (now.year - 1, 12)
        try:
            return await self._create(account_id, user, now.year, now.month)
        except DatabaseMissing:
            return await self._create(account_id, user, *previous)

    async def find(self, reset_id: str) -> PasswordReset | None:
        """A reset as it is in CouchDB now; None if there is none, or it was used already, or its user may not log in.

        A change of the password ends the resets that were made before it.
        """
        named = parse_reset_id(reset_id)
        if named is None:
            return None
        account_id, year, month = named
        # Fails where CouchDB cannot find the account's databases: that does not mean that there is no reset.
        if live((await self._store.open_newest(account_db(account_id), account_id)).document) is None:
            return None
        database = monthly_db(account_id, year, month)
        document = live((await self._store.open_newest(database, reset_id)).document)
        user_id = nonempty_text_at(document, "pvt_userid")
        if document is None or document.get("pvt_type") != PASSWORD_RESET or user_id is None:
            return None
        user = await self.user(account_id, user_id)
        # A reset that KAZOO made has no proof.
        if user is None or document.get(_PROOF) not in (None, _proof(reset_id, user)):
            return None
        created = as_integer(get(document, "pvt_created"))
        expired = created is None or created + await self.seconds() <= gregorian_seconds()
        return PasswordReset(reset_id, database, account_id, user_id, expired)

    async def use(self, reset: PasswordReset) -> bool:
        """Mark a reset as used; False if somebody else has done so, of two at the same time for one of them."""
        # Of what two requests would save, each must differ from the other.
        claim = new_id()

        def change(document: JsonObject | None) -> JsonObject:
            if live(document) is None:
                raise _Used
            # KAZOO, which never marks a reset, takes it as deleted.
            return {**(document or {}), "pvt_deleted": True, "pvt_claim": claim, "pvt_modified": gregorian_seconds()}

        try:
            await self._store.update(reset.database, reset.reset_id, change)
        except (_Used, Conflict):
            return False
        return True

    async def user(self, account_id: str, user_id: str) -> JsonObject | None:
        """A user as it is in CouchDB now; None if there is none who may log in."""
        user = live((await self._store.open_newest(account_db(account_id), user_id)).document)
        return user if user is not None and user.get("pvt_type") == "user" and user.get("enabled") else None

    async def _create(self, account_id: str, user: JsonObject, year: int, month: int) -> str:
        length = as_integer(await self._store.config.get("crossbar", "reset_id_size"))
        reset_id = new_reset_id(account_id, year, month, LENGTH if length is None or length not in _LENGTHS else length)
        document: JsonObject = {
            "_id": reset_id,
            "pvt_type": PASSWORD_RESET,
            "pvt_userid": user["_id"],
            "pvt_created": gregorian_seconds(),
            _PROOF: _proof(reset_id, user),
        }
        # Not through the store, whose log could name the id where there is a cluster.
        couch, database = self._store.couch, monthly_db(account_id, year, month)
        try:
            await couch.save_doc(database, document)
        except DatabaseMissing:
            if not await standing_alone(couch):
                raise
            await couch.create_database(database, q=1)
            await couch.save_doc(database, document)
        return reset_id


class _Used(Exception):
    """The reset was used, or is gone."""


def _proof(reset_id: str, user: JsonObject) -> str:
    """What changes with the user's password, and says nothing of it."""
    return hashlib.sha256(f"{reset_id}{nonempty_text_at(user, _SECRET)}".encode()).hexdigest()
