import dataclasses
import datetime as dt
import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from crossbar_appstore.addresses import CouchAddress, SmtpAddress
from crossbar_appstore.settings import SETTINGS, Settings, SettingsError, account_password


def test_settings_load_uses_documented_defaults() -> None:
    settings = Settings.load({})
    assert settings.couchdb is None
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.writes_need_admin is True
    assert settings.amqp_url is None
    assert settings.kazoo_config is None


def test_settings_default_equals_its_parsed_text() -> None:
    made, loaded = Settings(), Settings.load({})
    assert made == loaded
    for setting in SETTINGS:
        expected = None if setting.default is None else setting.read(setting.default)
        assert getattr(made, setting.name) == expected


def test_settings_have_variable_option_and_documentation() -> None:
    assert [field.name for field in dataclasses.fields(Settings)] == [setting.name for setting in SETTINGS]
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)
    for setting in SETTINGS:
        assert setting.variable.isupper()
        assert setting.option == "--" + setting.variable.lower().replace("_", "-")
        assert setting.doc.endswith(".")


def test_settings_load_option_overrides_environment_and_none_is_ignored() -> None:
    settings = Settings.load(
        {"CROSSBAR_PORT": "8001", "CROSSBAR_HOST": "0.0.0.0"}, {"CROSSBAR_PORT": "8002", "CROSSBAR_HOST": None}
    )
    assert settings.port == 8002
    assert settings.host == "0.0.0.0"


def test_settings_load_ignores_an_empty_variable() -> None:
    assert Settings.load({"CROSSBAR_PORT": "", "COUCHDB_URL": ""}) == Settings()


def test_settings_load_reads_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSBAR_WORKERS", "7")
    assert Settings.load().workers == 7


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://db:5984", CouchAddress(("http://db:5984",))),
        ("http://db:5984/", CouchAddress(("http://db:5984",))),
        ("https://db", CouchAddress(("https://db",))),
        ("http://admin:s%40cret%2F@db:5984", CouchAddress(("http://db:5984",), "admin", "s@cret/")),
        ("http://admin@db:5984", CouchAddress(("http://db:5984",), "admin", "")),
        ("http://a:b@[::1]:5984", CouchAddress(("http://[::1]:5984",), "a", "b")),
        ("http://a:b@db1:5984, https://db2/", CouchAddress(("http://db1:5984", "https://db2"), "a", "b")),
        (
            "http://db1,http://a:b@db2,http://a:b@db3",
            CouchAddress(("http://db1", "http://db2", "http://db3"), "a", "b"),
        ),
        ("http://db1:5984,http://db1:5984/", CouchAddress(("http://db1:5984",))),
    ],
)
def test_settings_load_splits_couchdb_credentials(text: str, address: CouchAddress) -> None:
    settings = Settings.load({"COUCHDB_URL": text})
    assert settings.couchdb == address
    assert settings.require_couchdb() == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("smtp://mail", SmtpAddress("mail", 25, tls=False)),
        ("smtps://mail/", SmtpAddress("mail", 465, tls=True)),
        ("smtp://ada:s%40cret%2F@[::1]:587", SmtpAddress("::1", 587, False, "ada", "s@cret/")),
        ("smtps://ada@mail:4650", SmtpAddress("mail", 4650, True, "ada", "")),
    ],
)
def test_settings_load_splits_the_address_of_the_mail_server(text: str, address: SmtpAddress) -> None:
    settings = Settings.load({"SMTP_URL": text, "SMTP_FROM": "Help Desk <help@example.com>"})
    assert settings.smtp == address
    assert settings.smtp_from == "Help Desk <help@example.com>"
    assert "s@cret" not in repr(settings)
    assert "s%40cret" not in repr(settings)


def test_settings_load_reads_the_origins_of_the_web_client() -> None:
    text = "https://UI.example.com/apps/, http://ui.example.com:8080,https://ui.example.com:443,http://[::1]:3000/?a#b"
    origins = ("https://ui.example.com:443", "http://ui.example.com:8080", "http://[::1]:3000")
    assert Settings.load({"CROSSBAR_UI_URLS": text}).ui_urls == origins
    assert Settings.load({}).ui_urls is None


def test_settings_load_reads_trusted_proxies() -> None:
    loaded = Settings.load({"CROSSBAR_TRUSTED_PROXIES": "10.0.0.0/24, 192.0.2.7,2001:db8::/32"})
    assert [str(each) for each in loaded.trusted_proxies] == ["10.0.0.0/24", "192.0.2.7/32", "2001:db8::/32"]
    assert [str(each) for each in Settings.load({}).trusted_proxies] == ["127.0.0.0/8", "::1/128"]


def test_require_couchdb_explains_how_to_set_it() -> None:
    with pytest.raises(SettingsError, match=r"COUCHDB_URL.*KAZOO_CONFIG.*demo"):
        Settings().require_couchdb()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("CROSSBAR_TRUSTED_PROXIES", "10.0.0.1/24"),
        ("CROSSBAR_TRUSTED_PROXIES", "10.0.0.0/24;10.0.1.0/24"),
        ("CROSSBAR_TRUSTED_PROXIES", "10.0.0.0/24,"),
        ("CROSSBAR_TRUSTED_PROXIES", "proxy.example.com"),
        ("COUCHDB_URL", "ftp://u:secret@db"),
        ("COUCHDB_URL", "http://u:secret@db:99999"),
        ("COUCHDB_URL", "http://u:secret@db:0"),
        ("COUCHDB_URL", "http://u:secret@db:x"),
        ("COUCHDB_URL", "http://u:secret@[db"),
        ("COUCHDB_URL", "http://u:secret@"),
        ("COUCHDB_URL", "http://u:secret@db/path"),
        ("COUCHDB_URL", "http://u:secret@db?query"),
        ("COUCHDB_URL", "secret"),
        ("COUCHDB_URL", "http://u:secret@db1,"),
        ("COUCHDB_URL", "http://u:secret@db1,db2"),
        ("COUCHDB_URL", "http://u:secret@db1,http://u:other-secret@db2"),
        ("COUCHDB_URL", "http://u:secret@db1,http://v:secret@db2"),
        ("COUCHDB_URL", "http://u:sec,ret@db1"),
        ("COUCHDB_CA_FILE", "/no/such/ca.pem"),
        ("COUCHDB_CERTIFICATE_FILE", "/no/such/certificate.pem"),
        ("AMQP_URL", "http://u:secret@broker"),
        ("AMQP_URL", "amqp://u:secret@broker:none"),
        # A password with a sign that is not percent-encoded: it would be taken for port and virtual host, and logged.
        ("AMQP_URL", "amqp://u:12/secret@broker"),
        ("AMQP_URL", "amqp://u:12#secret@broker"),
        ("AMQP_URL", "amqp://u:12?secret@broker"),
        ("AMQP_URL", "amqp://u:secret@broker1,amqp://u:secret@broker2"),
        ("AMQP_URL", "amqp://broker1,broker2"),
        ("SMTP_URL", "http://u:secret@mail"),
        ("SMTP_URL", "smtp://u:secret@"),
        ("SMTP_URL", "smtp://u:secret@mail/path"),
        ("SMTP_URL", "smtp://u:secret@mail:0"),
        ("SMTP_FROM", "nobody"),
        ("SMTP_FROM", "a@b.test\nBcc: c@d.test"),
        ("SMTP_FROM", "@b.test"),
        ("CROSSBAR_UI_URLS", "ui.example.com"),
        ("CROSSBAR_UI_URLS", "ftp://ui.example.com"),
        ("CROSSBAR_UI_URLS", "https://ui.example.com,"),
        ("CROSSBAR_UI_URLS", "https://u:secret@ui.example.com"),
        ("CROSSBAR_PORT", "65536"),
        ("CROSSBAR_PORT", "-1"),
        ("CROSSBAR_PORT", "eighty"),
        ("CROSSBAR_PORT", "\u0661"),
        ("CROSSBAR_WORKERS", "0"),
        ("CROSSBAR_WRITES_NEED_ADMIN", "perhaps"),
        ("CROSSBAR_OTEL", "perhaps"),
        ("KAZOO_CONFIG", "/no/such/config.ini"),
    ],
)
def test_settings_load_rejects_invalid_value_without_showing_password(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({variable: text})
    assert caught.value.variable == variable
    assert str(caught.value).startswith(f"{variable}: ")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(("text", "value"), [("TRUE", True), ("yes", True), ("0", False), ("Off", False)])
def test_settings_load_parses_flags(text: str, value: bool) -> None:
    assert Settings.load({"CROSSBAR_WRITES_NEED_ADMIN": text}).writes_need_admin is value


def test_settings_repr_contains_no_secret() -> None:
    shown = repr(
        Settings.load({"COUCHDB_URL": "http://u:secret@db:5984", "AMQP_URL": "amqps://u:secret@broker:5671/kazoo"})
    )
    assert "secret" not in shown
    assert "http://db:5984" in shown
    assert "amqps://***@broker:5671/kazoo" in shown
    assert "secret" not in repr(dataclasses.replace(Settings(), amqp_url="secret"))
    assert "amqp_url='amqp://broker'" in repr(dataclasses.replace(Settings(), amqp_url="amqp://broker"))


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]  # that it is refused is what is tested


def test_settings_load_directories_follow_absolute_xdg_variables() -> None:
    settings = Settings.load({"XDG_DATA_HOME": "/data", "XDG_CACHE_HOME": "relative"})
    assert settings.data_dir == Path("/data/crossbar-appstore")
    assert settings.cache_dir == Settings().cache_dir
    assert Settings.load({"XDG_CACHE_HOME": "/cache", "CROSSBAR_CACHE_DIR": "/mine"}).cache_dir == Path("/mine")


def test_settings_load_without_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert Settings.load({}).cache_dir == Path("~/.cache/crossbar-appstore")


CONFIG_INI = """
; where things are
[amqp]
uri = "amqp://guest:guest@rabbit:5672"
[bigcouch]
ip = "10.0.0.5"   ; behind a balancer
port = 15984
username = 'kazoo'
password = "p@ss;word"
"""


@pytest.fixture
def config_ini(tmp_path: Path) -> Path:
    path = tmp_path / "config.ini"
    path.write_text(CONFIG_INI, encoding="utf-8")
    return path


def test_settings_load_reads_couchdb_and_broker_from_kazoo_config(config_ini: Path) -> None:
    settings = Settings.load({"KAZOO_CONFIG": str(config_ini)})
    assert settings.couchdb == CouchAddress(("http://10.0.0.5:15984",), "kazoo", "p@ss;word")
    assert settings.amqp_url == "amqp://guest:guest@rabbit:5672"
    assert "p@ss" not in repr(settings)


def test_settings_load_urls_override_kazoo_config(config_ini: Path) -> None:
    settings = Settings.load(
        {"KAZOO_CONFIG": str(config_ini), "COUCHDB_URL": "http://db:5984", "AMQP_URL": "amqp://broker"}
    )
    assert settings.couchdb == CouchAddress(("http://db:5984",))
    assert settings.amqp_url == "amqp://broker"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[bigcouch]\nport = many\n", "ip or port"),
        ("[amqp]\nuri = http://u:secret@broker\n", "message broker"),
        ("[bigcouch]\nnonsense\n", "line 2"),
    ],
)
def test_settings_load_rejects_invalid_kazoo_config_with_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "config.ini"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=reason) as caught:
        Settings.load({"KAZOO_CONFIG": str(path)})
    assert caught.value.variable == "KAZOO_CONFIG"
    assert "secret" not in str(caught.value)


def test_settings_load_brackets_ipv6_address_of_kazoo_config(tmp_path: Path) -> None:
    path = tmp_path / "config.ini"
    path.write_text("[bigcouch]\nip = ::1\n", encoding="utf-8")
    assert Settings.load({"KAZOO_CONFIG": str(path)}).couchdb == CouchAddress(("http://[::1]:5984",))


def pem(*, name: str = "client", encrypted: bool = False) -> tuple[str, str]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now - day, now + day)
    secrecy = BestAvailableEncryption(b"secret") if encrypted else NoEncryption()
    made = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secrecy)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode(), made.decode()


def test_settings_couchdb_tls_is_none_without_files_and_one_object_with_them(tmp_path: Path) -> None:
    assert Settings.load({"COUCHDB_URL": "https://db"}).couchdb_tls() is None
    certificate, key = pem()
    path = tmp_path / "client.pem"
    path.write_text(certificate + key, encoding="utf-8")
    settings = Settings.load({"COUCHDB_CA_FILE": str(path), "COUCHDB_CERTIFICATE_FILE": str(path)})
    tls = settings.couchdb_tls()
    assert tls is not None
    assert tls is settings.couchdb_tls()
    assert tls.verify_mode is ssl.CERT_REQUIRED
    # Only what the file names is trusted.
    assert tls.cert_store_stats()["x509"] == 1


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("COUCHDB_CA_FILE", "contains no certificate in PEM format"),
        ("COUCHDB_CERTIFICATE_FILE", "contains no certificate, or it not its unencrypted key"),
        ("COUCHDB_KEY_FILE", "COUCHDB_CERTIFICATE_FILE must be set, too"),
    ],
)
def test_settings_load_rejects_a_malformed_certificate_with_reason(tmp_path: Path, variable: str, reason: str) -> None:
    path = tmp_path / "malformed.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=reason) as caught:
        Settings.load({variable: str(path)})
    assert caught.value.variable == variable
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("fault", ["another key", "encrypted", "no key"])
def test_settings_load_rejects_a_certificate_whose_key_cannot_be_used(tmp_path: Path, fault: str) -> None:
    certificate, key = pem(encrypted=fault == "encrypted")
    texts = {"another key": pem()[1], "encrypted": key, "no key": certificate}
    paths = (tmp_path / "certificate.pem", tmp_path / "key.pem")
    for path, text in zip(paths, (certificate, texts[fault]), strict=True):
        path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="not its unencrypted key") as caught:
        Settings.load({"COUCHDB_CERTIFICATE_FILE": str(paths[0]), "COUCHDB_KEY_FILE": str(paths[1])})
    assert all(str(path) in str(caught.value) for path in paths)


def test_settings_load_ignores_empty_texts() -> None:
    # An empty host would listen on every address.
    settings = Settings.load({"CROSSBAR_HOST": ""}, {"CROSSBAR_HOST": "", "CROSSBAR_PORT": ""})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)


def test_account_password_is_no_setting() -> None:
    assert account_password({}) is None
    assert account_password({"CROSSBAR_PASSWORD": ""}) is None
    assert account_password({"CROSSBAR_PASSWORD": "of a user"}) == "of a user"


def test_settings_refuse_shared_directory_that_is_missing_or_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = {"CROSSBAR_SHARED_DIR": str(tmp_path)}
    assert Settings.load(shared).shared_dir == tmp_path
    # Of root, nothing is read-only.
    monkeypatch.setattr(os, "access", lambda path, mode: mode & os.W_OK == 0)
    with pytest.raises(SettingsError, match=f"CROSSBAR_SHARED_DIR: {tmp_path} cannot be written to"):
        Settings.load(shared)
    with pytest.raises(SettingsError, match=r"CROSSBAR_SHARED_DIR: .*/missing is not a directory"):
        Settings.load({"CROSSBAR_SHARED_DIR": str(tmp_path / "missing")})
