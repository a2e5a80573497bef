import json
import stat
from pathlib import Path

import aiohttp
import pytest

from crossbar_appstore.embedded import EmbeddedCouchDB, server
from crossbar_appstore.embedded.server import DataDirectory


def test_data_directory_is_readable_by_owner_only(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "new" / "data")
    data.prepare()
    assert stat.S_IMODE(data.path.stat().st_mode) == 0o700


def test_data_directory_keeps_other_config_entries(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    data.config.write_text('{"couchdb": {"uuid": "u"}, "log": {"level": "debug"}}', encoding="utf-8")
    data.prepare()
    config = json.loads(data.config.read_text(encoding="utf-8"))
    assert config["couchdb"] == {"uuid": "u"}
    assert config["log"] == {"level": "debug", "file": str(tmp_path / "couchdb.log")}


@pytest.mark.parametrize("text", ["", "not json", '{"log": 1}', "[1]"])
def test_data_directory_rewrites_damaged_config(tmp_path: Path, text: str) -> None:
    data = DataDirectory(tmp_path)
    data.config.write_text(text, encoding="utf-8")
    data.prepare()
    assert json.loads(data.config.read_text(encoding="utf-8"))["log"] == {"file": str(data.log)}


def test_data_directory_rotates_long_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LOG_LIMIT", 5)
    data = DataDirectory(tmp_path)
    data.log.write_text("short", encoding="utf-8")
    data.prepare()
    assert data.log.read_text(encoding="utf-8") == "short"
    data.log.write_text("longer", encoding="utf-8")
    data.prepare()
    assert not data.log.exists()
    assert (tmp_path / "couchdb.log.1").read_text(encoding="utf-8") == "longer"


async def test_embedded_couchdb_sends_no_cors_headers(embedded_couchdb: EmbeddedCouchDB) -> None:
    async with (
        aiohttp.ClientSession(headers={"Origin": "https://evil.example"}) as session,
        session.get(f"{embedded_couchdb.url}/_all_dbs") as reply,
    ):
        assert reply.status == 200
        assert "Access-Control-Allow-Origin" not in reply.headers
