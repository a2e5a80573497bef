"""``system_config``: KAZOO's configuration documents, one a category, read-only."""

from collections.abc import Awaitable, Callable

from crossbar_appstore.json_codec import Json

from .known import Known

DATABASE = "system_config"


class Configuration:
    """Reads the ``default`` section, which holds for every node and zone; overrides for single nodes are not ours."""

    def __init__(self, open_document: Callable[[str, str], Awaitable[Known]]) -> None:
        self._open = open_document

    async def get(self, category: str, key: str, default: Json = None) -> Json:
        """The value of ``key`` in the document ``category``.

        A key that is missing, null or an empty string counts as missing, as in ``kapps_config``: ``default`` then.

        Raises:
            DatastoreError: CouchDB is away, and the category was never read.
        """
        document = (await self._open(DATABASE, category)).document
        section = (document or {}).get("default")
        value = section.get(key) if isinstance(section, dict) else None
        return default if value is None or value == "" else value
