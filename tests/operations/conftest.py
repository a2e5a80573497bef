"""Imports the fixtures of ``tests/kit`` for a system and a service."""

from tests.kit.fixtures import kit_couchdb_url, kit_key, kit_system, new_service, proxy, service, system

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "new_service", "proxy", "service", "system"]
