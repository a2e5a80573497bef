"""The keys that sign tokens, as the documents of ``system_auth`` hold them. Never made here, only read."""

import logging
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from crossbar_appstore.datastore.errors import DocumentMissing, Troubled
from crossbar_appstore.json_codec import JsonObject

from . import rsa_keys
from .documents import SYSTEM_AUTH, Documents

ATTACHMENT: Final = "private_key.pem"

_KEPT: Final = 32
_KEY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Loaded:
    document: JsonObject
    private: RSAPrivateKey
    public: RSAPublicKey


class KeyRing:
    """Keys by id, loaded once for each revision of their documents."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()

    async def private(self, key_id: str) -> RSAPrivateKey | None:
        """The private key of that id; None if there is no usable one."""
        loaded = await self._load(key_id)
        return loaded.private if loaded is not None else None

    async def public(self, key_id: str) -> RSAPublicKey | None:
        """The public half of the key of that id; None if there is no usable one."""
        loaded = await self._load(key_id)
        return loaded.public if loaded is not None else None

    async def _load(self, key_id: str) -> _Loaded | None:
        if _KEY_ID.fullmatch(key_id) is None:
            return None
        document = await self._documents.open_live(SYSTEM_AUTH, key_id)
        known = self._loaded.get(key_id)
        if document is None:
            self._loaded.pop(key_id, None)
            return None
        if known is not None and (known.document is document or known.document.get("_rev") == document.get("_rev")):
            return known
        try:
            return await self._read(key_id, document)
        except Troubled:
            if known is None:
                raise
            # The newer revision cannot be read now; the key most likely is the same.
            return known

    async def _read(self, key_id: str, document: JsonObject) -> _Loaded | None:
        if not isinstance(document.get("_attachments"), dict):
            return None
        try:
            attachment = await self._documents.store.couch.open_attachment(SYSTEM_AUTH, key_id, ATTACHMENT)
        except DocumentMissing:
            return None
        key = rsa_keys.from_pem(attachment.body)
        if key is None:
            log.error("signing key is not usable", extra={"key_id": key_id})
            return None
        loaded = _Loaded(document, key, key.public_key())
        self._loaded[key_id] = loaded
        if len(self._loaded) > _KEPT:
            self._loaded.popitem(last=False)
        return loaded
