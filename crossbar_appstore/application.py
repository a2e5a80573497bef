"""The composition root: what is wired to what."""

import socket
from collections.abc import AsyncIterator, Iterable
from ipaddress import ip_network
from typing import Final

from aiohttp import web

from crossbar_appstore import __version__
from crossbar_appstore.auth.basic import BasicScheme
from crossbar_appstore.auth.credentials import Directory
from crossbar_appstore.auth.documents import Documents
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.keys import KeyRing
from crossbar_appstore.auth.login import Login
from crossbar_appstore.auth.login_policy import LoginPolicies
from crossbar_appstore.auth.login_reply import LoginReply
from crossbar_appstore.auth.restriction_check import RestrictionCheck
from crossbar_appstore.auth.settings import Settings as AuthSettings
from crossbar_appstore.auth.tokens import Tokens
from crossbar_appstore.crossbar.access_log import AccessLog
from crossbar_appstore.crossbar.decision import DecisionOrder
from crossbar_appstore.crossbar.envelope import Envelope
from crossbar_appstore.crossbar.paths import PathParser
from crossbar_appstore.crossbar.rendering import Renderer
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.crossbar.server import Handler, create_web_application, load_banner
from crossbar_appstore.crossbar.throttling import Throttle
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.notices import NoticeBoard
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.resources.account_apps import AppStore
from crossbar_appstore.resources.accounts import Accounts
from crossbar_appstore.resources.apps_store import AppsStore
from crossbar_appstore.resources.configured_rates import ConfiguredRates
from crossbar_appstore.resources.error_mapping import translate
from crossbar_appstore.resources.path_prefixes import I18n
from crossbar_appstore.resources.pictures import Pictures
from crossbar_appstore.resources.schemas import About, Schemas
from crossbar_appstore.resources.sessions import ApiAuth, Auth, TokenAuth
from crossbar_appstore.resources.user_auth import UserAuth
from crossbar_appstore.resources.users import Devices, Users
from crossbar_appstore.resources.whitelabel import Whitelabel
from crossbar_appstore.settings import Settings

STORE: Final = web.AppKey("store", Datastore)

TRUSTED_PROXIES: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""Peers whose X-Forwarded-For is believed (`crossbar` reverse_proxies)."""


def create_application(settings: Settings, board: NoticeBoard | None = None) -> web.Application:
    """The whole service as one aiohttp application; it connects when it starts and disconnects when it is cleaned up.

    Args:
        settings: ``settings.couchdb`` must be set.
        board: the notice board that this worker shares with others.

    Raises:
        SettingsError: no CouchDB was named.
    """
    address = settings.require_couchdb()
    store = Datastore(Couch(address.url, user=address.user, password=address.password), board=board)
    documents = Documents(store)
    config = AuthSettings(documents, store.config)
    tokens = Tokens(documents, config, KeyRing(documents))
    directory = Directory(store.couch)
    gatekeeper = AuthGatekeeper(
        documents,
        tokens,
        BasicScheme(documents, config, directory),
        RestrictionCheck(documents, config),
        writes_need_admin=settings.writes_need_admin,
    )
    apps = AppStore(store)
    reply = LoginReply(documents, config, apps.login_apps)
    login = Login(documents, directory, LoginPolicies(documents, config), tokens, reply)
    pictures = Pictures(store)
    resources = by_noun(
        [
            About(__version__),
            Accounts(store, documents, directory, gatekeeper),
            ApiAuth(login),
            AppsStore(store, apps, pictures, gatekeeper),
            Auth(tokens, reply, documents),
            Devices(store),
            I18n(),
            Schemas(store),
            TokenAuth(reply),
            UserAuth(login, reply, gatekeeper, documents),
            Users(store, gatekeeper),
            Whitelabel(store, pictures),
        ]
    )
    throttle = Throttle()
    renderer = Renderer(Envelope(socket.gethostname(), __version__), throttle)
    order = DecisionOrder(resources, gatekeeper, throttle, renderer, translate, ConfiguredRates(store.config))
    parser = PathParser({noun: resource.swallows for noun, resource in resources.items()})
    log = AccessLog(settings.access_log)
    application = create_web_application(
        Handler(order, renderer, parser, TRUSTED_PROXIES, load_banner(), store.moments, access_log=log)
    )
    application[STORE] = store
    application.cleanup_ctx.append(_connected)
    return application


def by_noun(resources: Iterable[Resource]) -> dict[str, Resource]:
    """The resources by the noun that finds them."""
    return {resource.noun: resource for resource in resources}


async def _connected(application: web.Application) -> AsyncIterator[None]:
    async with application[STORE]:
        yield
