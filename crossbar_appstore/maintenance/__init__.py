"""Loads apps from disk, edits, exports, explains and checks them: the work of the command line, without any output.

Functions take a ``Couch`` and return frozen values that describe what was done, or would be done in a dry run.
"""
