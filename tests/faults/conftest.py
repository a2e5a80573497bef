from tests.kit.fixtures import kit_couchdb_url, kit_key

__all__ = ["kit_couchdb_url", "kit_key"]
