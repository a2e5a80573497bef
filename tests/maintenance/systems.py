"""Empties the tests' CouchDB before and after each test that needs a system of its own."""

import os
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from crossbar_appstore.auth import keys
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing
from crossbar_appstore.kazoo.ids import account_db, is_account_id

# Read at import, because tests of the command line set the variable.
_NAMED: Final = bool(os.environ.get("COUCHDB_URL"))

SYSTEM_DATABASES: Final = ("accounts", "services", "system_config", "system_auth", "system_data")


def open_couch(url: str) -> Couch:
    """A client for a URL that may contain user and password."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return Couch(bare, user=parts.username, password=parts.password)


async def accounts_of(couch: Couch) -> list[str]:
    try:
        rows = await couch.all_docs("accounts")
    except DatabaseMissing:
        return []
    return [row.id for row in rows if is_account_id(row.id)]


async def refuse_a_system_in_use(couch: Couch) -> None:
    """Fail if a CouchDB given by COUCHDB_URL, which these tests empty, contains accounts."""
    if _NAMED and await accounts_of(couch):
        pytest.fail("COUCHDB_URL names a CouchDB with accounts; these tests need one that may be emptied")


async def wipe(couch: Couch) -> None:
    for account_id in await accounts_of(couch):
        await _delete(couch, account_db(account_id))
    for database in SYSTEM_DATABASES:
        await _delete(couch, database)


async def _delete(couch: Couch, database: str) -> None:
    try:
        await couch.delete_database(database)
    except DatabaseMissing:
        return


_generate = keys.generate


@cache
def one_key() -> RSAPrivateKey:
    """The signing key of every system of the tests: generating one takes a second."""
    return _generate()
