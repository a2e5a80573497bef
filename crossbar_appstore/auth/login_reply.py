"""The data that every login replies with: who is logged in, on what kind of system, with which apps.

That is ``crossbar_util:response_auth/3``, in the order of members that was recorded.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import DEFAULT_LANGUAGE
from crossbar_appstore.kazoo.values import MISSING, get, is_true, nonempty_text_at

from .documents import Documents
from .settings import Settings

AppsForLogin = Callable[[str, str | None], Awaitable[Sequence[JsonObject]]]
"""Account id, user id or None → the apps that this user may use, each with ``id``, ``name``, ``label`` …"""

_UI_SETTINGS: Final = (
    ("provisioner", "provisioner", "provisioning_url"),
    ("mobile", "mobile", "url"),
    ("kazoo_websocket", "blackhole", "url"),
    ("webrtc_websocket", "webrtc", "url"),
    ("phonebook", "phonebook", "url"),
    ("cluster_manager", "cluster_manager", "url"),
)
"""Member of ``ui_config.api``, category and key of the setting that holds its URL."""


class LoginReply:
    """Makes the data of login replies.

    Args:
        documents: accounts and users.
        settings: what is set for the system.
        apps: the apps of a user.
    """

    def __init__(self, documents: Documents, settings: Settings, apps: AppsForLogin) -> None:
        self._documents = documents
        self._settings = settings
        self._apps = apps

    async def data(self, who: Mapping[str, Json], account_id: str, owner_id: str | None) -> JsonObject:
        """``who`` (ids or claims) followed by everything that a client wants to know at the start of a session."""
        account = await self._documents.account(account_id)
        reply: dict[str, Json] = {
            **who,
            "ui_config": await self._ui_config(),
            "capabilities": await self._capabilities(),
            "is_master_account": account_id == await self._documents.master_account_id(),
            "is_reseller": await self._documents.is_reseller(account_id),
            "reseller_id": await self._documents.reseller_id(account_id),
            "cluster_id": await self._settings.text("cluster", "cluster_id"),
            "account_name": nonempty_text_at(account, "name"),
            "language": await self._language(account, account_id, owner_id),
            "apps": list(await self._apps(account_id, owner_id)),
        }
        return {name: value for name, value in reply.items() if value is not None}

    async def _language(self, account: JsonObject | None, account_id: str, owner_id: str | None) -> Json:
        """The user's, else the account's, else the system's (``crossbar_util:get_language/2``)."""
        if owner_id is not None:
            language = get(await self._documents.in_account(account_id, owner_id), "language")
            if language is not MISSING:
                return language
        language = nonempty_text_at(account, "language")
        return language or await self._settings.text("crossbar", "default_language") or DEFAULT_LANGUAGE

    async def _ui_config(self) -> JsonObject:
        urls: JsonObject = {}
        for member, category, key in _UI_SETTINGS:
            url = await self._settings.text(category, key)
            if url is not None:
                urls[member] = {"url": url}
        return {"api": urls} if urls else {}

    async def _capabilities(self) -> JsonObject:
        """Speech recognition is a part of KAZOO that this service does not have; the default is only told."""
        default = is_true(get(await self._settings.get("callflow", "voicemail"), "transcribe_default"))
        return {"voicemail": {"transcription": {"default": default, "available": False}}}
