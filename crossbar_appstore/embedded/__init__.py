"""Starts and stops PouchDB Server, a CouchDB-compatible server that needs no installation by the user.

``EmbeddedCouchDB`` is the whole interface; ``EmbeddedError`` is the base class of what it raises.
"""

from crossbar_appstore.embedded.errors import (
    DataDirectoryInUse,
    EmbeddedError,
    InstallFailed,
    NodeMissing,
    PortTaken,
    StartFailed,
)
from crossbar_appstore.embedded.server import EmbeddedCouchDB

__all__ = [
    "DataDirectoryInUse",
    "EmbeddedCouchDB",
    "EmbeddedError",
    "InstallFailed",
    "NodeMissing",
    "PortTaken",
    "StartFailed",
]
