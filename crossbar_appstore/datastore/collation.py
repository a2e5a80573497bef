"""The order of CouchDB's views, for when there is no view to ask.

CouchDB: null, false, true, numbers, text, arrays, objects
(https://docs.couchdb.org/en/stable/ddocs/views/collation.html). Text is compared as ICU does: letters before their
case, punctuation before digits before letters before what is no character; this is near enough for names of apps.
"""

import unicodedata

from crossbar_appstore.json_codec import Json

Collated = tuple[int, "float | tuple[Collated, ...] | tuple[tuple[tuple[int, str], ...], str, str]"]


def collation_key(value: Json) -> Collated:
    """A sort key of any JSON value."""
    if value is None:
        return 0, 0.0
    if isinstance(value, bool):
        return 1, float(value)
    if isinstance(value, int | float):
        return 2, float(value)
    if isinstance(value, str):
        return 3, _text(value)
    if isinstance(value, list):
        return 4, tuple(collation_key(item) for item in value)
    return 5, tuple(collation_key([name, item]) for name, item in value.items())


def _text(text: str) -> tuple[tuple[tuple[int, str], ...], str, str]:
    decomposed = unicodedata.normalize("NFD", text)
    letters = tuple((_group(char), char) for char in decomposed.casefold() if not unicodedata.combining(char))
    # Only where the letters are the same do accents decide, and only then the case: small before capital.
    return letters, decomposed.casefold(), decomposed.swapcase()


def _group(char: str) -> int:
    if char.isalpha():
        return 2
    if char.isdigit():
        return 1
    # U+FFF0 and the like end ranges of keys that begin with a text.
    return 3 if unicodedata.category(char) == "Cn" else 0
