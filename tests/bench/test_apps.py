import base64
import random
from pathlib import Path

from crossbar_appstore.bench.apps import app_documents, noise_png, write_app_folders
from crossbar_appstore.json_codec import JsonObject, dumps
from crossbar_appstore.kazoo.documents import public_fields
from crossbar_appstore.maintenance.app_files import PictureRules
from crossbar_appstore.maintenance.app_source import find_app_folders, read_app

ACCOUNT = "a" * 32


def picture(document: JsonObject, name: str) -> bytes:
    return base64.b64decode(document["_attachments"][name]["data"])


def test_apps_have_the_size_of_real_ones() -> None:
    documents = list(app_documents(25, ACCOUNT))
    sizes = [len(dumps(public_fields(document))) for document in documents]
    assert 1_000 < sum(sizes) / len(sizes) < 1_500
    assert {len(document["i18n"]) for document in documents} == {1, 2, 3}
    for document in documents:
        assert 24_000 < len(picture(document, document["icon"])) < 27_000
        assert len(document["screenshots"]) == 2


def test_apps_are_the_same_each_time_and_differ_among_themselves() -> None:
    once, again = (list(app_documents(30, ACCOUNT)) for _ in range(2))
    assert [document["_id"] for document in once] == [document["_id"] for document in again]
    assert [document["_attachments"] for document in once] == [document["_attachments"] for document in again]
    assert len({document["_id"] for document in once}) == len({document["name"] for document in once}) == 30


def test_lean_apps_are_the_same_but_for_small_pictures() -> None:
    full, lean = (list(app_documents(3, ACCOUNT, lean=lean)) for lean in (False, True))
    assert [document["i18n"] for document in full] == [document["i18n"] for document in lean]
    first, *others = lean
    assert picture(first, first["icon"]) == picture(full[0], full[0]["icon"])
    assert all(len(picture(other, name)) < 500 for other in others for name in other["_attachments"])


def test_folders_hold_apps_that_can_be_loaded_with_their_pictures(tmp_path: Path) -> None:
    write_app_folders(tmp_path, 3)
    found = find_app_folders(tmp_path)
    assert len(found.folders) == 3
    for folder in found.folders:
        source = read_app(folder, PictureRules())
        assert (source.name, len(source.pictures), source.remarks) == (folder.name, 3, ())


def test_noise_is_hardly_smaller_than_its_pixels() -> None:
    assert len(noise_png(random.Random(1), 50)) > 3 * 50 * 50
