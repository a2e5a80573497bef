import dataclasses
from pathlib import Path

import pytest

from crossbar_appstore.addresses import CouchAddress
from crossbar_appstore.settings import SETTINGS, Settings, SettingsError


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
    ],
)
def test_settings_load_splits_couchdb_credentials(text: str, address: CouchAddress) -> None:
    settings = Settings.load({"COUCHDB_URL": text})
    assert settings.couchdb == address
    assert settings.require_couchdb() == address


def test_require_couchdb_explains_how_to_set_it() -> None:
    with pytest.raises(SettingsError, match=r"COUCHDB_URL.*KAZOO_CONFIG.*demo"):
        Settings().require_couchdb()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("COUCHDB_URL", "ftp://u:secret@db"),
        ("COUCHDB_URL", "http://u:secret@db:99999"),
        ("COUCHDB_URL", "http://u:secret@db:0"),
        ("COUCHDB_URL", "http://u:secret@db:x"),
        ("COUCHDB_URL", "http://u:secret@[db"),
        ("COUCHDB_URL", "http://u:secret@"),
        ("COUCHDB_URL", "http://u:secret@db/path"),
        ("COUCHDB_URL", "http://u:secret@db?query"),
        ("COUCHDB_URL", "secret"),
        ("AMQP_URL", "http://u:secret@broker"),
        ("AMQP_URL", "amqp://u:secret@broker:none"),
        ("CROSSBAR_PORT", "65536"),
        ("CROSSBAR_PORT", "-1"),
        ("CROSSBAR_PORT", "eighty"),
        ("CROSSBAR_PORT", "\u0661"),
        ("CROSSBAR_WORKERS", "0"),
        ("CROSSBAR_WRITES_NEED_ADMIN", "perhaps"),
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
