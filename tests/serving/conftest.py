"""Imports the fixtures of ``tests/kit`` for a system."""

from tests.kit.fixtures import kit_couchdb_url, kit_key, kit_system, proxy, system

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "proxy", "system"]
