"""The databases of a CouchDB, and what it says about itself. ``Couch`` adds documents, views and attachments."""

from typing import Any

from aiocouch import Database
from aiocouch.exception import NotFoundError, PreconditionFailedError

from crossbar_appstore.json_codec import Json

from .client import CouchClient, json_params
from .errors import DatabaseMissing, Subject, Unavailable
from .replies import ServerInfo, is_database_name, names, posix_time, server_info


class Databases:
    """The databases that a client reaches; errors as in ``couch``."""

    def __init__(self, client: CouchClient) -> None:
        self._client = client

    async def create_database(self, database: str, *, q: int | None = None) -> bool:
        """Create a database, of ``q`` shards where the server has shards; False if it exists."""
        self._database(database)
        options: dict[str, Any] = {} if q is None else {"q": q}

        async def create() -> bool:
            try:
                await self._client.server.create(database, **options)
            except PreconditionFailedError:
                return False
            return True

        is_new = await self._client.once(Subject(database), create)
        # A proxy may answer 412 to what it knows nothing of.
        if not is_new and not await self.database_exists(database):
            raise Unavailable("the database was not created")
        return is_new

    async def database_exists(self, database: str) -> bool:
        """Whether the database exists."""
        self._database(database)

        async def look() -> bool:
            try:
                await self._client.server[database]
            except NotFoundError:
                return False
            return True

        return await self._client.read(Subject(database), look)

    async def databases(self, prefix: str) -> list[str]:
        """The names of databases that begin with a prefix; PouchDB omits slashes, in the prefix too."""
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)

        async def read() -> list[str]:
            return names(await self._client.server.keys(**json_params(startkey=prefix, endkey=after)))

        bare = prefix.replace("/", "")
        return [name for name in await self._client.read(Subject(), read) if name.replace("/", "").startswith(bare)]

    async def opened_at(self, database: str) -> float | None:
        """When the database was created (CouchDB 3.3) or opened (others), as a POSIX time; None if it does not say."""

        async def read() -> float | None:
            return posix_time((await self._database(database).info()).get("instance_start_time"))

        return await self._client.read(Subject(database), read)

    async def update_seq(self, database: str) -> Json:
        """Where the database's ``_changes`` stand now, to be given as ``since``."""

        async def read() -> Json:
            return (await self._database(database).info())["update_seq"]

        return await self._client.read(Subject(database), read)

    async def server(self) -> ServerInfo:
        """The server's vendor and version."""

        async def read() -> ServerInfo:
            return server_info(await self._client.server.info())

        return await self._client.read(Subject(), read)

    def _database(self, database: str) -> Database:
        if not is_database_name(database):
            raise DatabaseMissing(database)
        return Database(self._client.server, database)
