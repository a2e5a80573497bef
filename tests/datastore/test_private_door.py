"""aiocouch has no public way to its session: what we take of it must still be there."""

import inspect

import aiohttp
from aiocouch import CouchDB, Database, Document
from aiocouch.attachment import Attachment
from aiocouch.design_document import DesignDocument
from aiocouch.exception import RemoteResponseError
from crossbar_appstore.datastore.session import Session

from crossbar_appstore.datastore.couch import Couch


async def test_aiocouch_still_has_the_private_names_that_we_use() -> None:
    client = CouchDB("http://127.0.0.1:9")
    try:
        assert isinstance(client._server._http_session, aiohttp.ClientSession)
        assert client._server._server == "http://127.0.0.1:9"
    finally:
        await client.close()


async def test_aiocouch_still_asks_through_its_session(couch: Couch, database: str) -> None:
    # Whatever of it is used goes over our own connections, and its own session opens none.
    requests = couch.statistics.requests
    client = couch._wire.client
    assert (await couch.server()).version
    assert database.replace("/", "") in "".join(await couch.databases()).replace("/", "")
    assert await couch.security(database) is not None
    assert couch.statistics.requests >= requests + 3
    session: object = client._server._http_session
    assert isinstance(session, Session)
    feeds = couch._wire._feed_session()
    assert feeds.connector is not None
    assert not feeds.connector._conns


async def test_aiocouch_still_quotes_as_we_rely_on() -> None:
    client = CouchDB("http://127.0.0.1:9")
    try:
        database = Database(client, "account/aa/bb/cc")
        assert database.endpoint == "/account%2Faa%2Fbb%2Fcc"
        assert Document(database, "a/b").endpoint == "/account%2Faa%2Fbb%2Fcc/a%2Fb"
        assert DesignDocument(database, "users").endpoint == "/account%2Faa%2Fbb%2Fcc/_design/users"
        assert database.view("users", "list").endpoint == "/account%2Faa%2Fbb%2Fcc/_design/users/_view/list"
        assert Attachment(Document(database, "x"), "a b.png").endpoint == "/account%2Faa%2Fbb%2Fcc/x/a%20b.png"
    finally:
        await client.close()


def test_aiocouch_still_keeps_status_and_reason_in_its_errors() -> None:
    assert issubclass(RemoteResponseError, aiohttp.ClientResponseError)
    assert "reason" in inspect.signature(RemoteResponseError.__init__).parameters
