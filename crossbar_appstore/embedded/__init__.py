"""Starts and stops PouchDB Server, a CouchDB-compatible server that needs no installation by the user."""

from crossbar_appstore.embedded.errors import EmbeddedError
from crossbar_appstore.embedded.server import EmbeddedCouchDB

__all__ = ["EmbeddedCouchDB", "EmbeddedError"]
