"""Starts and stops PouchDB Server, the CouchDB that needs no installation.

``EmbeddedCouchDB`` is the whole interface; ``EmbeddedError`` the root of what it raises.
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
