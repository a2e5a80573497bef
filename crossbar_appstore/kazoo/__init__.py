"""KAZOO's document conventions: ids, database names, private fields, timestamps, value conversion, ``config.ini``."""
