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


def test_the_files_of_the_checkout_are_found() -> None:
    assert schema_names() == tuple(sorted(file.stem for file in (CHECKOUT / "schemas").glob("*.json")))
    assert couchdb_view_names() == tuple(sorted(file.stem for file in (CHECKOUT / "couchdb_views").glob("*.json")))
    assert load_schema("app") == json.loads((CHECKOUT / "schemas" / "app.json").read_bytes())
    assert load_schema("app") is load_schema("app")


@pytest.mark.parametrize("name", ["", "nothing", "app.json", "../schemas/app", "../setup.cfg", "/etc/passwd"])
def test_only_known_names_become_paths(name: str) -> None:
    with pytest.raises(UnknownFile):
        load_schema(name)
    with pytest.raises(UnknownFile):
        load_couchdb_view(name)


def test_a_broken_installation_says_what_is_missing() -> None:
    with pytest.raises(UnknownFile, match="nowhere/ is missing"):
        data_directory("nowhere")


def test_an_installed_package_holds_its_files_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "listed.json").write_text("[]")
    monkeypatch.setattr("crossbar_appstore.package_data.resources.files", lambda package: tmp_path)
    assert data_directory("schemas") == tmp_path / "schemas"
    with pytest.raises(UnknownFile, match="contains no object"):
        package_data._load("schemas", "listed", ("listed",))
