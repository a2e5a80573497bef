import pytest

from crossbar_appstore.datastore.documents import CachedDocument
from crossbar_appstore.datastore.master_account import Configuration
from crossbar_appstore.json_codec import Json, JsonObject


def configured(document: JsonObject | None) -> Configuration:
    async def open_document(database: str, category: str) -> CachedDocument:
        return CachedDocument(document if (database, category) == ("system_config", "crossbar") else None)

    return Configuration(open_document)


@pytest.mark.parametrize("value", [False, 0, [], {}, "x", 7])
async def test_a_value_of_the_default_section_is_read(value: Json) -> None:
    assert await configured({"default": {"key": value}, "node@host": {"key": "other"}}).get("crossbar", "key") == value


@pytest.mark.parametrize("document", [None, {}, {"default": None}, {"default": {}}, {"default": {"key": None}}])
async def test_a_missing_value_is_the_default(document: JsonObject | None) -> None:
    config = configured(document)
    assert await config.get("crossbar", "key", "fallback") == "fallback"
    assert await config.get("crossbar", "key") is None
    assert await config.get("other", "key", 1) == 1


async def test_an_empty_text_counts_as_missing() -> None:
    assert await configured({"default": {"key": ""}}).get("crossbar", "key", "fallback") == "fallback"
