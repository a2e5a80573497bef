"""Loading apps from disk, editing them, explaining and checking: what the command line does, without a word printed.

Every function works on a ``Couch`` and gives back frozen values that say what was done, or would be done.
"""
