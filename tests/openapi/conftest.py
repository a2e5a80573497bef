"""A system of its own; it lives in ``tests/kit``."""

from tests.kit.fixtures import kit_couchdb_url, kit_key, kit_system, new_service, service, system

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "new_service", "service", "system"]
