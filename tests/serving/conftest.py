"""A system for the services that these tests start; it lives in ``tests/kit``."""

from tests.kit.fixtures import kit_couchdb_url, kit_key, kit_system, proxy, system

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "proxy", "system"]
