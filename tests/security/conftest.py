"""A system and a service for every test, from ``tests/kit``."""

from tests.kit.fixtures import kit_couchdb_url, kit_key, kit_system, new_service, proxy, service, system

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "new_service", "proxy", "service", "system"]
