"""Systems of their own for tests of faults; they live in ``tests/kit``."""

from tests.kit.fixtures import kit_couchdb_url, kit_key

__all__ = ["kit_couchdb_url", "kit_key"]
