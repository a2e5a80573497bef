import json
from pathlib import Path

import pytest

from crossbar_appstore import package_data
from crossbar_appstore.package_data import (
    UnknownFile,
    couchdb_view_names,
    data_directory,
    load_couchdb_view,
    load_schema,
    schema_names,
)

CHECKOUT = Path(__file__).parents[2]


def test_schema_names_and_load_schema_find_the_files_of_the_checkout() -> None:
    assert schema_names() == tuple(sorted(file.stem for file in (CHECKOUT / "schemas").glob("*.json")))
    assert couchdb_view_names() == tuple(sorted(file.stem for file in (CHECKOUT / "couchdb_views").glob("*.json")))
    assert load_schema("app") == json.loads((CHECKOUT / "schemas" / "app.json").read_bytes())
    assert load_schema("app") is load_schema("app")


@pytest.mark.parametrize("name", ["", "nothing", "app.json", "../schemas/app", "../setup.cfg", "/etc/passwd"])
def test_load_schema_and_load_couchdb_view_reject_unknown_names(name: str) -> None:
    with pytest.raises(UnknownFile):
        load_schema(name)
    with pytest.raises(UnknownFile):
        load_couchdb_view(name)


def test_data_directory_names_a_missing_directory() -> None:
    with pytest.raises(UnknownFile, match="nowhere/ is missing"):
        data_directory("nowhere")


def test_data_directory_prefers_the_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "listed.json").write_text("[]")
    monkeypatch.setattr("crossbar_appstore.package_data.resources.files", lambda package: tmp_path)
    assert data_directory("schemas") == tmp_path / "schemas"
    with pytest.raises(UnknownFile, match="contains no object"):
        package_data._load("schemas", "listed", ("listed",))
