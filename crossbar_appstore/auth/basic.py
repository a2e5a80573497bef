"""The Basic scheme: an account id with a hash of user name and password, or with both in the clear."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import JsonObject

from .credentials import MD5, Credentials, Directory, parse_basic
from .documents import Documents
from .settings import CROSSBAR_AUTH, Settings

METHOD: Final = "cb_basic_auth"

_REMEMBERED: Final = 1000


@dataclass(frozen=True, slots=True)
class _User:
    account_id: str
    user_id: str
    credentials: Credentials


class BasicScheme:
    """Finds the user of a Basic token (``cb_basic_auth``).

    Users found are remembered; on each use their document is looked at again, so a new password counts at once.
    """

    def __init__(self, documents: Documents, settings: Settings, directory: Directory) -> None:
        self._documents = documents
        self._settings = settings
        self._directory = directory
        self._users: OrderedDict[str, _User] = OrderedDict()

    async def claims(self, token: str) -> JsonObject | None:
        """The claims of the user whom the token names; None if it is good for nobody."""
        user = self._users.get(token)
        if user is None or not user.credentials.belong_to(
            await self._documents.in_account(user.account_id, user.user_id)
        ):
            self._users.pop(token, None)
            user = await self._find(token)
            if user is None:
                return None
            self._remember(token, user)
        return {"account_id": user.account_id, "iss": "kazoo", "method": METHOD, "owner_id": user.user_id}

    async def _find(self, token: str) -> _User | None:
        basic = parse_basic(token)
        if basic is None:
            return None
        kind = await self._settings.text_for(basic.account_id, CROSSBAR_AUTH, "basic_auth_type")
        credentials = basic.credentials(kind or MD5)
        if credentials is None:
            return None
        found = await self._directory.users(basic.account_id, credentials)
        # Two users with the same hash cannot be told apart.
        return _User(basic.account_id, found[0], credentials) if len(found) == 1 else None

    def _remember(self, token: str, user: _User) -> None:
        self._users[token] = user
        if len(self._users) > _REMEMBERED:
            self._users.popitem(last=False)
