"""KAZOO's conventions for documents: ids and database names, private fields, time, how values are read and merged."""
