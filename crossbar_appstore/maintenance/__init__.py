"""Loads apps from disk, edits, exports, explains and checks them: the work of the command line, without any output.

Functions take a ``Couch`` and return frozen values that describe what was done, or would be done in a dry run. All
that read or write documents raise ``DatastoreError`` if CouchDB is away or refuses, besides what they document.
"""
