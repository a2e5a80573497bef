"""Searches everything that is logged under the tests for tokens, passwords, hashes and keys.

``tests/conftest.py`` collects the records of this process and the logs of services in processes of their own, and fails
the test in which one holds a secret.
"""

import logging
import re
from pathlib import Path
from typing import Final

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.logs import silence_libraries

_SECRET_FIELDS: Final = ("pvt_md5_auth", "pvt_sha1_auth", "pvt_signature_secret", "pvt_api_key")
_PATTERNS: Final = {
    "a JSON Web Token": r"eyJ[\w-]{8,}",
    "Basic credentials": r"\bBasic [\w+/]{8,}",
    "Bearer credentials": r"\bBearer [\w+/.-]{8,}",
    "a private key": r"PRIVATE KEY",
    "a user and password in an address": r"://[^\s/:@'\"]*:[^\s/@'\"]+@",
    "a link to set a password": r"recovery=\w{8,}",
    "the id of a password reset": r"\b[0-9a-fA-F]{120,}\b",
    # Values are hexadecimal: a fuzzed path may hold the name of such a field before any other word.
    "a secret field": rf"(?:{'|'.join(_SECRET_FIELDS)})\W{{1,6}}[0-9a-fA-F]{{32}}",
    "a secret of a user": r"secret_for_user_signature\W{1,6}\w{8,}",
}
# What every secret has, looked for first: most records hold none of it.
_HINT: Final = re.compile(r"eyJ|Basic |Bearer |PRIVATE|@|_auth|secret|api_key|recovery=|[0-9a-f]{32}")
_SECRET: Final = re.compile("|".join(f"({pattern})" for pattern in _PATTERNS.values()))
_DIGEST: Final = re.compile(r"[0-9a-f]{32,}")

_known: Final[set[str]] = set()


def remember(document: JsonObject) -> None:
    """Look for the secrets of this account or user, whose form is that of any id."""
    _known.update(value for name in _SECRET_FIELDS if isinstance(value := document.get(name), str))


def remember_secret(secret: str) -> None:
    """Look for a secret of 32 or more hexadecimal digits."""
    _known.add(secret)


def secrets_in(text: str) -> set[str]:
    """The kinds of secrets that a text holds."""
    if _HINT.search(text) is None:
        return set()
    kinds = tuple(_PATTERNS)
    found = {kinds[match.lastindex - 1] for match in _SECRET.finditer(text) if match.lastindex}
    if any(digest in _known for digest in _DIGEST.findall(text)):
        found.add("a known hash or secret")
    return found


class LogSearch(logging.Handler):
    """Searches records with their extra members and tracebacks, and the files in which services log."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._leaks: list[str] = []
        self._files: dict[Path, int] = {}
        """File → the bytes of it that were searched."""

    def install(self) -> None:
        """Receive the records of every logger, at any level; those that production silences stay silent."""
        root = logging.getLogger()
        root.setLevel(logging.DEBUG)
        # A test that sets up logging replaces all handlers.
        if self not in root.handlers:
            root.addHandler(self)
        silence_libraries()

    def emit(self, record: logging.LogRecord) -> None:
        """Search a record."""
        text = f"{record.getMessage()} {record.__dict__}"
        if record.exc_info:
            text += logging.Formatter().formatException(record.exc_info)
        for kind in secrets_in(text):
            self._leaks.append(f"{kind} in {record.msg!r} of the logger {record.name}")

    def watch(self, log: Path) -> None:
        """Search a file at the end of each test from now on, while it exists."""
        self._files[log] = 0

    def take(self) -> list[str]:
        """What was found since the last call, and where; never the secret itself."""
        for log, searched in list(self._files.items()):
            if not log.exists():
                del self._files[log]
            elif log.stat().st_size > searched:
                with log.open("rb") as file:
                    file.seek(searched)
                    lines = file.read()
                self._files[log] = searched + len(lines)
                for kind in secrets_in(lines.decode("utf-8", "replace")):
                    self._leaks.append(f"{kind} in {log.name}")
        found, self._leaks = self._leaks, []
        return found


LOG_SEARCH: Final = LogSearch()
