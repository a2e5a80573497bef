"""The KAZOO system to measure: documents in KAZOO's form, written through CouchDB's HTTP API, and tokens for them."""

import base64
import hmac
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from yarl import URL

from benchmarks.load import COUNTER, Request
from crossbar_appstore.auth import keys
from crossbar_appstore.kazoo import accounts
from crossbar_appstore.kazoo.documents import stamp_maintenance
from crossbar_appstore.kazoo.ids import account_db, new_id

Document = dict[str, Any]

MASTER, RESELLER, CUSTOMER = TREE = ("1" * 32, "2" * 32, "3" * 32)
"""Ids of the accounts, each the parent of the next one."""
SCREENSHOTS: Final = 2
_INSTALLED: Final = 5
_BULK: Final = 6
"""Documents in a request: with their pictures below a megabyte."""
_LOCALES: Final = ("en-US", "de-DE", "fr-FR")
_WORDS: Final = (
    "account",
    "billing",
    "call",
    "conference",
    "contact",
    "device",
    "extension",
    "office",
    "phone",
    "queue",
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs tokens as KAZOO does (``kz_auth:create_token/1``); creating one takes up to some seconds."""

    key_id: str = field(default_factory=new_id)
    key: RSAPrivateKey = field(default_factory=keys.generate)
    secret: str = field(default_factory=accounts.new_secret)

    def token(self, account_id: str) -> str:
        """A token of the account's administrator, good for a day."""
        owner_id = _user_id(account_id)
        signature = hmac.digest((_signature_secret(account_id) + self.secret).encode(), owner_id.encode(), "sha256")
        claims = {
            "iss": "kazoo",
            "identity_sig": base64.urlsafe_b64encode(signature).decode().rstrip("="),
            "account_id": account_id,
            "owner_id": owner_id,
            "method": "cb_user_auth",
            "exp": int(time.time()) + 86_400,
        }
        return jwt.encode(claims, self.key, "RS256", {"kid": self.key_id})

    def documents(self) -> dict[str, list[Document]]:
        """Database → the documents from which the service learns key and secret."""
        values = {"system_key": self.key_id, "secret_for_user_signature": self.secret}
        pem = _attachment(keys.PEM_TYPE, keys.to_pem(self.key))
        key = {"_id": self.key_id, "pvt_type": "system_key", "_attachments": {"private_key.pem": pem}}
        return {"system_config": [accounts.config_document("auth", values)], "system_auth": [key]}


@dataclass(frozen=True, slots=True)
class Client:
    """Uses an account's app store with a token; ``app`` is the path of one of its apps below ``…/apps_store``."""

    token: str
    account_id: str
    app: str

    def get(self, path: str = "") -> Request:
        """GET of a path below ``…/apps_store``."""
        path = f"/v2/accounts/{self.account_id}/apps_store{path}?n={COUNTER}"
        return Request(path, {"X-Auth-Token": self.token})

    def post_permission(self) -> Request:
        """POST that lets one user use the app, another one each time."""
        body = json.dumps({"data": {"allowed_users": "specific", "users": [{"id": f"{'0' * 22}{COUNTER}"}]}})
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/json"}
        return Request(f"/v2/accounts/{self.account_id}/apps_store{self.app}", headers, "POST", body)


@dataclass(frozen=True, slots=True)
class System:
    """A system that is stored in the CouchDB at ``url``."""

    url: str
    signer: Signer
    app_ids: tuple[str, ...]

    def client(self, account_id: str = CUSTOMER) -> Client:
        """The administrator of an account."""
        return Client(self.signer.token(account_id), account_id, f"/{self.app_ids[0]}")


async def build_system(session: aiohttp.ClientSession, url: str, signer: Signer, apps: int, *, lean: bool) -> System:
    """Store a master account with apps, a reseller and a customer in an empty CouchDB.

    If ``lean``, all apps but the first one have pictures of a few bytes. Design documents are left to the service.
    """
    app_ids = tuple(f"ab{number:030x}" for number in range(apps))
    documents = [_app(number, app_id, lean=lean and number > 0) for number, app_id in enumerate(app_ids)]
    parts: list[dict[str, list[Document]]] = [
        {database: [] for database in ("system_config", "system_auth", "services", "accounts", *map(account_db, TREE))},
        signer.documents(),
        {"system_config": [accounts.config_document(accounts.ACCOUNTS_CONFIG, {accounts.MASTER_ACCOUNT_ID: MASTER})]},
        *(account_documents(account_id, TREE[:depth], app_ids) for depth, account_id in enumerate(TREE)),
        *({account_db(MASTER): documents[start : start + _BULK]} for start in range(0, apps, _BULK)),
    ]
    for database in parts[0]:
        await couchdb(session, "PUT", url, database)
    for part in parts[1:]:
        for database, docs in part.items():
            results = await couchdb(session, "POST", url, database, "_bulk_docs", {"docs": docs})
            if any("error" in result for result in results):
                raise RuntimeError(f"{database}: {results}")
    return System(url, signer, app_ids)


async def couchdb(
    session: aiohttp.ClientSession, method: str, url: str, database: str, path: str = "", body: Document | None = None
) -> Any:
    """Send a request to CouchDB; its answer, parsed.

    Raises:
        aiohttp.ClientResponseError: CouchDB refused it.
    """
    target = URL(f"{url}/{quote(database, safe='')}{path and '/'}{path}", encoded=True)
    async with session.request(method, target, json=body, raise_for_status=True) as reply:
        return await reply.json(content_type=None)


def account_documents(account_id: str, above: tuple[str, ...], app_ids: tuple[str, ...]) -> dict[str, list[Document]]:
    """Database → the documents of an account with a few installed apps; ``above`` are its ancestors, root first."""
    place = accounts.Place(above, above[-1] if above else None)
    reseller = {"pvt_reseller": account_id in (MASTER, RESELLER)}
    names = {"name": f"Account {account_id}", "realm": f"{account_id}.example.com"}
    account = accounts.account_document(account_id, names, place) | reseller
    profile = {"first_name": "Account", "last_name": "Admin", "priv_level": "admin"}
    user = accounts.user_document(_user_id(account_id), account_id, profile, username="admin", password="benchmark")
    user["pvt_signature_secret"] = _signature_secret(account_id)
    permissions = {app_id: {"allowed_users": "all", "users": []} for app_id in app_ids[:_INSTALLED]}
    return {
        account_db(account_id): [account, user, {**accounts.new_apps_store(account_id), "apps": permissions}],
        "services": [accounts.services_document(account_id, place) | reseller],
        "accounts": [account],
    }


def _app(number: int, app_id: str, *, lean: bool) -> Document:
    """An app of realistic size, the same each time but for its times; about 1.3 KB in a list."""
    chance = random.Random(number)
    name = f"{chance.choice(_WORDS)}-{number}"
    pictures = {f"{name}-{picture}.png": 36_000 if picture else 25_000 for picture in range(1 + SCREENSHOTS)}
    icon, *screenshots = pictures

    def sentence(words: int) -> str:
        return " ".join(chance.choices(_WORDS, k=words)).capitalize() + "."

    def texts() -> Document:
        features = [sentence(4) for _ in range(3)]
        return {"label": name, "description": sentence(9), "extended_description": sentence(20), "features": features}

    def noise(size: int) -> Document:
        # No valid PNG behind its signature, but as hard to compress as one.
        return _attachment("image/png", b"\x89PNG\r\n\x1a\n" + chance.randbytes(100 if lean else size))

    app = {
        "_id": app_id,
        "_attachments": {picture: noise(size) for picture, size in pictures.items()},
        "name": name,
        "i18n": {locale: texts() for locale in _LOCALES[: 1 + number % len(_LOCALES)]},
        "tags": chance.sample(_WORDS, 3),
        "icon": icon,
        "screenshots": screenshots,
        "api_url": "https://api.example.com:8443/v2/",
        "source_url": f"https://apps.example.com/{name}",
        "author": "Example Telephony",
        "version": "1.0",
        "license": "-",
        "price": 0,
        "urls": {"documentation": f"https://docs.example.com/{name}", "howto": f"https://video.example.com/{name}"},
        "phase": "gold",
        "published": True,
    }
    return stamp_maintenance(app, account_id=MASTER, doc_type="app")


def _attachment(content_type: str, content: bytes) -> Document:
    return {"content_type": content_type, "data": base64.b64encode(content).decode()}


def _user_id(account_id: str) -> str:
    """The id of an account's administrator."""
    return f"ad{account_id[2:]}"


def _signature_secret(account_id: str) -> str:
    """The ``pvt_signature_secret`` of an account's administrator."""
    return account_id[::-1]
