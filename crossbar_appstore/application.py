"""The composition root: creates the components of the service and connects them."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from crossbar_appstore import __version__, api_docs
from crossbar_appstore.auth.callers import Callers
from crossbar_appstore.auth.credentials import BasicScheme, Directory
from crossbar_appstore.auth.documents import AuthDocuments, AuthSettings
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.keys import KeyRing
from crossbar_appstore.auth.login import Login
from crossbar_appstore.auth.password_resets import PasswordResets
from crossbar_appstore.auth.tokens import Tokens
from crossbar_appstore.broker.broker import Broker, node_name
from crossbar_appstore.crossbar.access_log import AccessLog
from crossbar_appstore.crossbar.application import create_web_application
from crossbar_appstore.crossbar.envelope import Envelope
from crossbar_appstore.crossbar.pipeline import TimeLimits
from crossbar_appstore.crossbar.rate_limits import Buckets, RateLimiter
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.credentials import Tries
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.datastore.views import standing_alone
from crossbar_appstore.operations.audit import audit
from crossbar_appstore.operations.audit_trail import AuditTrail, AuditWriter
from crossbar_appstore.operations.health import Health
from crossbar_appstore.operations.metrics import Metrics
from crossbar_appstore.operations.pages import PATHS, Operations
from crossbar_appstore.operations.workers import Workers
from crossbar_appstore.resources.account_apps import AppStore
from crossbar_appstore.resources.account_storage import AccountStorage
from crossbar_appstore.resources.accounts import Accounts
from crossbar_appstore.resources.apps_store import AppsStore
from crossbar_appstore.resources.companions import companions
from crossbar_appstore.resources.configured_proxies import ConfiguredProxies
from crossbar_appstore.resources.configured_rates import ConfiguredRates
from crossbar_appstore.resources.delivery import BrokerDelivery, Delivery, FolderDelivery, MailDelivery
from crossbar_appstore.resources.error_mapping import translate
from crossbar_appstore.resources.path_prefixes import I18n
from crossbar_appstore.resources.pictures import Pictures
from crossbar_appstore.resources.recovery import Recovery
from crossbar_appstore.resources.recovery_messages import Recoveries
from crossbar_appstore.resources.schemas import About, Schemas
from crossbar_appstore.resources.search import Search
from crossbar_appstore.resources.sessions import ApiAuth, AppsLink, Auth, TokenAuth
from crossbar_appstore.resources.user_auth import UserAuth
from crossbar_appstore.resources.users import Devices, Users
from crossbar_appstore.resources.whitelabel import Whitelabel
from crossbar_appstore.resources.whitelabel_domains import Domains
from crossbar_appstore.resources.whitelabel_parts import WhitelabelParts
from crossbar_appstore.settings import Settings
from crossbar_appstore.store_page import Shown, StorePage

if TYPE_CHECKING:
    from crossbar_appstore.operations.tracing import Tracing

STORE: Final = web.AppKey("store", Datastore)
OPERATIONS: Final = web.AppKey("operations", Operations)
BROKER: Final = web.AppKey("broker", Broker)
AUDIT: Final = web.AppKey("audit", AuditWriter)
RECOVERIES: Final = web.AppKey("recoveries", Recoveries)


def create_application(settings: Settings, shared: Path | None = None) -> web.Application:
    """The whole service as an ordinary aiohttp application, which connects to CouchDB at startup.

    ``shared`` is the directory of what several worker processes share, if it is another than the settings name: write
    counters, rate limits, and the tries of CouchDB's password.

    Raises:
        SettingsError: no CouchDB was named.
    """
    shared = shared or settings.shared_dir
    tracing = _tracing(settings)
    couch = _couch(settings, shared, tracing)
    counters = None if shared is None else WriteCounters.in_file(shared / "write-counters")
    buckets = None if shared is None else Buckets.in_file(shared / "rate-limits")
    store = Datastore(couch, counters=counters)
    broker = None
    if settings.amqp_url is not None:
        broker = Broker(settings.amqp_url, node=node_name(shared), heard=store.invalidate)
        couch.on_write.append(broker.announce)
    metrics = Metrics(store, None if broker is None else broker.statistics)
    operations = Operations(Health(store), metrics, None if shared is None else Workers(shared))
    documents = AuthDocuments(store)
    config = AuthSettings(documents)
    tokens = Tokens(store, KeyRing(couch))
    directory = Directory(store.couch)
    gatekeeper = AuthGatekeeper(
        documents,
        Callers(store, tokens),
        BasicScheme(documents, config, directory),
        writes_need_admin=settings.writes_need_admin,
    )
    apps = AppStore(store)
    login = Login(documents, directory, config, tokens, apps.login_apps)
    delivery = _delivery(settings, broker, couch)
    resets = PasswordResets(store)
    recoveries = None if delivery is None else Recoveries(login, directory, documents, resets, delivery, buckets)
    recovery = Recovery(store, login, resets, recoveries, settings.ui_urls)
    pictures = Pictures(store)
    writer = None if settings.audit_db is None else AuditWriter(_couch(settings, shared), settings.audit_db)
    page = StorePage(_page_shown(settings, couch))
    application = create_web_application(
        [
            About(__version__),
            Accounts(documents, directory, gatekeeper),
            ApiAuth(login),
            AppsLink(login),
            AppsStore(store, apps, pictures, gatekeeper),
            Auth(tokens, login, documents),
            Devices(store),
            I18n(),
            Schemas(store),
            Search(documents),
            TokenAuth(login),
            UserAuth(login, gatekeeper, documents, recovery),
            Users(store, gatekeeper),
            Whitelabel(
                store,
                gatekeeper,
                Domains(store, AccountStorage(documents)),
                WhitelabelParts(store, gatekeeper, pictures),
            ),
            *companions(documents, config, gatekeeper),
        ],
        gatekeeper,
        Envelope(socket.gethostname(), __version__),
        map_error=translate,
        limiter=RateLimiter(buckets=buckets),
        rates=ConfiguredRates(store.config),
        trusted_proxies=ConfiguredProxies(store.config, settings.trusted_proxies),
        times=TimeLimits(answer=settings.request_seconds),
        observers=[AccessLog(settings.access_log).observe, metrics.observe, audit(AuditTrail(writer).write)],
        quiet_paths=PATHS if settings.ops_port is None else (),
        is_draining=operations.is_draining,
        root=page.root,
    )
    application.add_routes([*api_docs.routes(), *page.routes()])
    if tracing is not None:
        application.middlewares.insert(0, tracing.middleware())
        # Left last, so that it sends also what is read and written until then.
        application.cleanup_ctx.append(tracing.exporting)
    application[STORE] = store
    application[OPERATIONS] = operations
    if settings.ops_port is None:
        application.add_routes(operations.routes())
    if broker is not None:
        # Left last, so that it announces also what is written until then.
        application[BROKER] = broker
        application.cleanup_ctx.append(_announcing)
    application.cleanup_ctx.append(_connected)
    application.on_shutdown.append(_drain)
    if writer is not None:
        application[AUDIT] = writer
        application.cleanup_ctx.append(_audited)
    if recoveries is not None:
        # Left in the reverse order: what is finished at last needs the connections.
        application[RECOVERIES] = recoveries
        application.cleanup_ctx.append(_recovering)
        application.on_shutdown.append(_stop_recovering)
    return application


def _tracing(settings: Settings) -> "Tracing | None":
    if not settings.otel:
        return None
    from crossbar_appstore.operations.tracing import Tracing  # noqa: PLC0415 (only the extra otel has its packages)

    return Tracing()


def _couch(settings: Settings, shared: Path | None, tracing: "Tracing | None" = None) -> Couch:
    address = settings.require_couchdb()
    return Couch(
        *address.urls,
        user=address.user,
        password=address.password,
        tls=settings.couchdb_tls(),
        tries=Tries.in_directory(shared),
        trace_configs=() if tracing is None else (tracing.trace_config,),
    )


def _delivery(settings: Settings, broker: Broker | None, couch: Couch) -> Delivery | None:
    mail: Delivery | None = None
    if settings.smtp is not None:
        mail = MailDelivery(settings.smtp, settings.smtp_from)
    elif settings.mail_dir is not None:
        mail = FolderDelivery(settings.mail_dir, settings.smtp_from)
    return mail if broker is None else BrokerDelivery(broker, couch, mail)


async def _announcing(application: web.Application) -> AsyncIterator[None]:
    async with application[BROKER]:
        yield


def _page_shown(settings: Settings, couch: Couch) -> Shown:
    known = settings.store_page

    async def shown() -> bool:
        nonlocal known
        if known is None:
            # A cluster that uses this CouchDB has its own web client.
            known = await standing_alone(couch)
        return known

    return shown


async def _connected(application: web.Application) -> AsyncIterator[None]:
    async with application[STORE], application[OPERATIONS].answering():
        yield


async def _drain(application: web.Application) -> None:
    application[OPERATIONS].drain()


async def _audited(application: web.Application) -> AsyncIterator[None]:
    async with application[AUDIT]:
        yield


async def _recovering(application: web.Application) -> AsyncIterator[None]:
    yield
    await application[RECOVERIES].close()


async def _stop_recovering(application: web.Application) -> None:
    application[RECOVERIES].stop()
