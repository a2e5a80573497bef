"""CouchDB's feeds of changes: of one database, and of the databases of a server."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final
from urllib.parse import quote

from crossbar_appstore.json_codec import Json, JsonObject

from .client import CouchClient
from .errors import DatabaseMissing, MalformedReply, Subject
from .replies import is_database_name, sequence

HEARTBEAT: Final = 0.4
"""Seconds between two heartbeats that are asked of a feed."""
SILENCE: Final = 1.2
"""Seconds without any after which a feed is given up: a half-open connection must not hide a change for 2 s."""


class Feeds:
    """The feeds of one CouchDB, through the session: aiocouch has no last sequence. Errors as those of ``Couch``."""

    def __init__(self, client: CouchClient) -> None:
        self._client = client

    async def changes_since(self, database: str, since: Json) -> tuple[list[str], Json]:
        """The ids of documents changed after ``since``, each once, and the sequence that the next call starts from."""
        endpoint = _endpoint(database)

        async def read() -> tuple[list[str], Json]:
            reply = (await self._client.request("GET", endpoint, params={"since": sequence(since)})).object()
            if not isinstance(reply.get("results"), list):
                raise MalformedReply("no list of changes")
            return [raw["id"] for raw in reply["results"]], reply.get("last_seq")

        return await self._client.read(Subject(database), read)

    async def changes(self, database: str, *, since: Json) -> AsyncGenerator[list[str], None]:
        """The ids of documents from one connection to the continuous feed; an empty list is a heartbeat.

        Ends when the server ends it; raises when it breaks or falls silent. ``freshness.ChangeFeed`` reconnects.
        """
        async with aclosing(self._lines(Subject(database), _endpoint(database), since)) as lines:
            async for batch in lines:
                yield [raw["id"] for raw in batch if "id" in raw]

    async def db_updates(self, *, since: Json) -> AsyncGenerator[list[str], None]:
        """The names of databases from the continuous feed of those that changed, as ``changes``; CouchDB 2 and newer.

        Raises:
            DatabaseMissing: the server has no such feed (PouchDB).
        """
        async with aclosing(self._lines(Subject("_db_updates"), "/_db_updates", since)) as lines:
            async for batch in lines:
                yield [raw["db_name"] for raw in batch if "db_name" in raw]

    def _lines(self, subject: Subject, endpoint: str, since: Json) -> AsyncGenerator[list[JsonObject], None]:
        """The lines of a continuous feed, as many as came together."""
        params = {"feed": "continuous", "heartbeat": str(int(HEARTBEAT * 1000)), "since": sequence(since)}
        return self._client.stream(subject, endpoint, params, SILENCE)


def _endpoint(database: str) -> str:
    if not is_database_name(database):
        raise DatabaseMissing(database)
    return f"/{quote(database, safe='')}/_changes"
