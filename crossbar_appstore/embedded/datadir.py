"""What lies in the data directory of an embedded CouchDB."""

import json
from pathlib import Path

_LOG_LIMIT = 10_000_000  # bytes; a longer log becomes couchdb.log.1 at the next start
_TAIL = 2_000


class DataDirectory:
    """``databases/``, ``config.json``, ``couchdb.log`` (unless named elsewhere) and ``lock``."""

    def __init__(self, path: Path, log: Path | None = None) -> None:
        self.path = path
        self.databases = path / "databases"
        self.config = path / "config.json"
        self.lock = path / "lock"
        self.log = log or path / "couchdb.log"

    def prepare(self) -> None:
        """Make the directories, put aside a long log, and write what PouchDB reads from ``config.json``.

        The directory is the owner's alone, since it holds the keys that sign tokens. Other entries of an existing
        ``config.json`` are kept.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        config = self._kept_config()
        config.setdefault("log", {})["file"] = str(self.log)
        # PouchDB repeats its log on standard output, which nobody reads.
        config.setdefault("pouchdb_server", {})["no-stdout-logs"] = True
        # Without this PouchDB lets every web page that the user visits read and write these databases.
        config.setdefault("httpd", {})["enable_cors"] = False
        self.config.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def log_tail(self) -> str:
        """The end of the log, for an error message."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-_TAIL:].strip()

    def _kept_config(self) -> dict[str, dict[str, object]]:
        try:
            config = json.loads(self.config.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        sections = config.items() if isinstance(config, dict) else ()
        return {name: section for name, section in sections if isinstance(section, dict)}
