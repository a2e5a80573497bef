"""The settings: one frozen object, and the only reader of ``os.environ`` and of KAZOO's ``config.ini``.

Each field of ``Settings`` defines one setting: its variable, parser, default and documentation. The command line's
options and the documentation are generated from them (``SETTINGS``).
"""

import dataclasses
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

from crossbar_appstore.addresses import (
    AMQP_FORM,
    COUCHDB_FORM,
    SMTP_FORM,
    WEB_FORM,
    CouchAddress,
    Network,
    SmtpAddress,
    amqp_url,
    couch_address,
    networks,
    smtp_address,
    web_origins,
)
from crossbar_appstore.kazoo.config_ini import KazooConfig, read_config_ini
from crossbar_appstore.setting_values import (
    directory,
    flag,
    mail_address,
    otel,
    own_database,
    path,
    seconds,
    share,
    whole,
)

PASSWORD: Final = "CROSSBAR_PASSWORD"
"""The variable of ``account_password``."""


class SettingsError(Exception):
    """A setting is missing or invalid. The message names its variable and never contains a password."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable}: {reason}")
        self.variable = variable
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; ``default`` is the text of the default value, None if the setting may be unset."""

    name: str
    variable: str
    read: Callable[[str], object]
    default: str | None
    doc: str

    @property
    def option(self) -> str:
        """The command-line option: ``--crossbar-port`` for ``CROSSBAR_PORT``."""
        return "--" + self.variable.lower().replace("_", "-")


def _setting(
    variable: str, read: Callable[[str], object], default: str | None, doc: str, *, secret: bool = False
) -> Any:
    """Returns a field of ``Settings``; typed Any, as ``dataclasses.field`` is."""
    return dataclasses.field(
        default_factory=lambda: None if default is None else read(default),
        repr=not secret,
        metadata={"setting": (variable, read, default, doc)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, parsed and checked; ``repr`` contains no secret."""

    couchdb: CouchAddress | None = _setting(
        "COUCHDB_URL",
        couch_address,
        None,
        f"The CouchDB server, as {COUCHDB_FORM}, or several nodes of one cluster, separated by commas. "
        "It overrides KAZOO_CONFIG.",
    )
    couchdb_ca_file: Path | None = _setting(
        "COUCHDB_CA_FILE",
        path,
        None,
        "The certificate authorities that CouchDB's certificate is checked against, in PEM format; "
        "those of the machine by default.",
    )
    couchdb_certificate_file: Path | None = _setting(
        "COUCHDB_CERTIFICATE_FILE", path, None, "The certificate that is presented to CouchDB, in PEM format."
    )
    couchdb_key_file: Path | None = _setting(
        "COUCHDB_KEY_FILE",
        path,
        None,
        "The key of COUCHDB_CERTIFICATE_FILE, not encrypted, if that does not contain it.",
    )
    host: str = _setting("CROSSBAR_HOST", str, "127.0.0.1", "The address to listen on.")
    port: int = _setting("CROSSBAR_PORT", whole(0, 65535), "8000", "The port to listen on; 0 selects a free one.")
    ops_port: int | None = _setting(
        "CROSSBAR_OPS_PORT",
        whole(0, 65535),
        None,
        "The port for /livez, /readyz and /metrics, which are not on the port of the API then; 0 selects a free one.",
    )
    workers: int = _setting("CROSSBAR_WORKERS", whole(1, 1024), "1", "The number of worker processes.")
    shared_dir: Path | None = _setting(
        "CROSSBAR_SHARED_DIR",
        directory,
        None,
        "The directory of what worker processes share that another program than serve starts.",
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        "CROSSBAR_TRUSTED_PROXIES",
        networks,
        "127.0.0.0/8,::1/128",
        "Networks of proxies whose X-Forwarded-For is believed, separated by commas, beside KAZOO's reverse_proxies.",
    )
    writes_need_admin: bool = _setting(
        "CROSSBAR_WRITES_NEED_ADMIN",
        flag,
        "true",
        "Whether only an account's admins may install, update and uninstall apps; false is Crossbar's behaviour.",
    )
    access_log: float = _setting(
        "CROSSBAR_ACCESS_LOG",
        share,
        "0.01",
        "The share of requests that are logged, from 0 (none) to 1 (all); server errors always are.",
    )
    otel: bool = _setting(
        "CROSSBAR_OTEL",
        otel,
        "false",
        "Whether OpenTelemetry traces are sent to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.",
    )
    audit_db: str | None = _setting(
        "CROSSBAR_AUDIT_DB",
        own_database,
        None,
        "A CouchDB database in which audit events are kept for a year; they are always logged.",
    )
    request_seconds: float = _setting(
        "CROSSBAR_REQUEST_SECONDS",
        seconds,
        "10",
        "The seconds within which a request is answered once it was received, however slow CouchDB is.",
    )
    store_page: bool | None = _setting(
        "CROSSBAR_STORE_PAGE",
        flag,
        None,
        "Whether web browsers get the store page at /; unset, they do unless a KAZOO cluster uses this CouchDB.",
    )
    ui_urls: tuple[str, ...] | None = _setting(
        "CROSSBAR_UI_URLS",
        web_origins,
        None,
        f"The addresses of the web client that links for forgotten passwords may lead to, as {WEB_FORM}, separated by "
        "commas; unset, those on a client's own machine, for clients on this machine.",
    )
    smtp: SmtpAddress | None = _setting(
        "SMTP_URL", smtp_address, None, f"The mail server for links to set a forgotten password, as {SMTP_FORM}."
    )
    smtp_from: str | None = _setting(
        "SMTP_FROM", mail_address, None, "The sender of these mails; no-reply at this host's name by default."
    )
    mail_dir: Path | None = _setting(
        "CROSSBAR_MAIL_DIR", path, None, "Without SMTP_URL: a folder in which mails are stored instead, for trials."
    )
    amqp_url: str | None = _setting(
        "AMQP_URL", amqp_url, None, f"KAZOO's message broker, as {AMQP_FORM}. It overrides KAZOO_CONFIG.", secret=True
    )
    kazoo_config: Path | None = _setting(
        "KAZOO_CONFIG", path, None, "A KAZOO config.ini with the addresses of CouchDB and the message broker."
    )
    kazoo_zone: str = _setting(
        "KAZOO_ZONE", str, "local", "The KAZOO zone whose sections of KAZOO_CONFIG apply, if it has several."
    )
    data_dir: Path = _setting(
        "CROSSBAR_DATA_DIR",
        path,
        "~/.local/share/crossbar-appstore",
        "The directory of the embedded CouchDB's databases.",
    )
    cache_dir: Path = _setting(
        "CROSSBAR_CACHE_DIR", path, "~/.cache/crossbar-appstore", "The installation directory of the embedded CouchDB."
    )

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, overrides: Mapping[str, str | None] | None = None) -> Self:
        """Reads each setting from the command line, the environment, KAZOO's config.ini or its default, in this order.

        Args:
            environ: variable → text; ``os.environ`` if not given. An empty text is ignored.
            overrides: variable → text of the command line's options; None and an empty text are ignored.

        Raises:
            SettingsError: a value is invalid, or a file that is named cannot be used.
        """
        environ = os.environ if environ is None else environ
        texts = _user_directories(environ)
        texts |= {variable: text for variable, text in environ.items() if text}
        texts |= {variable: text for variable, text in (overrides or {}).items() if text}
        read = {each.name: _read(each, texts[each.variable]) for each in SETTINGS if each.variable in texts}
        settings = cls(**read)
        settings.couchdb_tls()
        if settings.ops_port and settings.ops_port == settings.port:
            raise SettingsError("CROSSBAR_OPS_PORT", f"{settings.ops_port} is the port of the API already")
        if settings.kazoo_config is None:
            return settings
        config = _read_kazoo_config(settings.kazoo_config, settings.kazoo_zone)
        # Not read where another address replaces it: a malformed address in config.ini must not matter then.
        couchdb = settings.couchdb or _couch_address_of(config)
        return dataclasses.replace(settings, couchdb=couchdb, amqp_url=settings.amqp_url or _amqp_url_of(config))

    def require_couchdb(self) -> CouchAddress:
        """Returns the address of CouchDB.

        Raises:
            SettingsError: it is not set.
        """
        if self.couchdb is None:
            ways = f"name the CouchDB server, as {COUCHDB_FORM}, or a KAZOO config.ini in KAZOO_CONFIG"
            raise SettingsError("COUCHDB_URL", f"{ways}; 'crossbar-appstore demo' brings a CouchDB of its own")
        return self.couchdb

    def couchdb_tls(self) -> ssl.SSLContext | None:
        """Returns how connections to CouchDB are secured, always the same object; None if no setting says it.

        Raises:
            SettingsError: a file is missing or malformed.
        """
        return _tls(self.couchdb_ca_file, self.couchdb_certificate_file, self.couchdb_key_file)

    def __repr__(self) -> str:
        values = ((field, getattr(self, field.name)) for field in dataclasses.fields(self))
        shown = (f"{field.name}={value if field.repr else _redacted(value)!r}" for field, value in values)
        return f"Settings({', '.join(shown)})"


SETTINGS: tuple[Setting, ...] = tuple(
    Setting(field.name, *field.metadata["setting"]) for field in dataclasses.fields(Settings)
)


def account_password(environ: Mapping[str, str] | None = None) -> str | None:
    """Returns the password that a command gives to a user; None if the variable is unset or empty.

    No setting: the service needs none, and as an option it would be shown in the list of processes.
    """
    return (os.environ if environ is None else environ).get(PASSWORD) or None


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """A service manager that wants to be told the state of the service (``sd_notify(3)``).

    ``socket`` is the path of a datagram socket; one that begins with ``@`` is in Linux' abstract namespace.
    ``watchdog`` is after how many seconds of silence it restarts the service, None if never.
    """

    socket: str
    watchdog: float | None = None


def service_manager(environ: Mapping[str, str] | None = None) -> ServiceManager | None:
    """Returns the service manager that has started this process, None if none waits to be told.

    No setting: systemd sets these variables itself.
    """
    environ = os.environ if environ is None else environ
    path = environ.get("NOTIFY_SOCKET", "")
    # vsock: is for virtual machines.
    if not path.startswith(("/", "@")):
        return None
    microseconds = environ.get("WATCHDOG_USEC", "")
    # The variables may have been inherited from another process, which has the watchdog.
    mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    watched = mine and microseconds.isascii() and microseconds.isdigit() and int(microseconds) > 0
    return ServiceManager(path, int(microseconds) / 1e6 if watched else None)


def is_utf8(text: str) -> bool:
    """Whether a text of the environment or the command line was UTF-8: Python keeps other bytes as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _redacted(value: str | None) -> str | None:
    """Returns the URL with ``***`` for user and password, or ``***`` for any other secret."""
    if not value or "://" not in value:
        return value and "***"
    parts = urlsplit(value)
    _, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"***@{host}")) if at else value


def _read(setting: Setting, text: str) -> Any:
    if not is_utf8(text):
        raise SettingsError(setting.variable, "it is not text in UTF-8")
    try:
        return setting.read(text)
    except ValueError as error:
        # Without the original error, whose traceback could show a password.
        raise SettingsError(setting.variable, str(error)) from None


@cache
def _tls(authorities: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if key is not None and certificate is None:
        raise SettingsError("COUCHDB_KEY_FILE", "COUCHDB_CERTIFICATE_FILE must be set, too")
    if authorities is None and certificate is None:
        return None
    _check_readable("COUCHDB_CA_FILE", authorities)
    _check_readable("COUCHDB_CERTIFICATE_FILE", certificate)
    _check_readable("COUCHDB_KEY_FILE", key)
    try:
        context = ssl.create_default_context(cafile=authorities)
    except ssl.SSLError:
        raise SettingsError("COUCHDB_CA_FILE", f"{authorities} contains no certificate in PEM format") from None
    if certificate is not None:
        try:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificate, key, password="")
        except ssl.SSLError:
            reason = f"{certificate} contains no certificate, or {key or 'it'} not its unencrypted key, in PEM format"
            raise SettingsError("COUCHDB_CERTIFICATE_FILE", reason) from None
    return context


def _check_readable(variable: str, path: Path | None) -> None:
    if path is not None:
        try:
            path.open("rb").close()
        except OSError as error:
            raise SettingsError(variable, f"{path} cannot be read: {error.strerror}") from None


def _user_directories(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the directories from the XDG Base Directory Specification's variables, which must be absolute."""
    homes = (("CROSSBAR_DATA_DIR", environ.get("XDG_DATA_HOME")), ("CROSSBAR_CACHE_DIR", environ.get("XDG_CACHE_HOME")))
    return {variable: f"{home}/crossbar-appstore" for variable, home in homes if home and Path(home).is_absolute()}


def _read_kazoo_config(path: Path, zone: str) -> KazooConfig:
    try:
        return read_config_ini(path.read_text(encoding="utf-8"), host=socket.getfqdn(), zone=zone)
    except OSError as error:
        raise SettingsError("KAZOO_CONFIG", f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError("KAZOO_CONFIG", f"{path}: {error}") from None


def _couch_address_of(config: KazooConfig) -> CouchAddress:
    host = f"[{config.ip}]" if ":" in config.ip else config.ip
    try:
        address = couch_address(f"http://{host}:{config.port}")
    except ValueError:
        raise SettingsError("KAZOO_CONFIG", "ip or port of CouchDB is malformed") from None
    return dataclasses.replace(address, user=config.username, password=config.password)


def _amqp_url_of(config: KazooConfig) -> str | None:
    try:
        return amqp_url(config.amqp_uri) if config.amqp_uri else None
    except ValueError as error:
        raise SettingsError("KAZOO_CONFIG", f"the message broker's uri: {error}") from None
