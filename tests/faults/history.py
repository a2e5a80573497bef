"""A history of changes to shared ``apps_store`` documents, and what it allows the documents to be afterwards.

Each entry of a document (the permission of an app, the blacklist, a field of an outside writer) has one owner, who
changes it to values that never repeat, one change after the other. So an acknowledged change is in the document
afterwards, or was overwritten by a later change of its owner; one whose outcome is unknown may be there or not.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.values import get, list_at

ABSENT: Final = 0
"""The value of an entry that does not exist."""
BLACKLIST: Final = "blacklist"
OUTSIDE: Final = "outside"
COUNTER: Final = "counter"
"""The field of a permission that holds its value."""


@dataclass
class Entry:
    """One entry of an account's document, and the values that it may have by now."""

    account: int
    name: str
    possible: set[int] = field(default_factory=lambda: {ABSENT})
    last: int = ABSENT
    believed: int = ABSENT
    """What its owner takes for its value."""

    def next(self) -> int:
        """A value that was never used."""
        self.last += 1
        return self.last

    def stored(self, document: JsonObject) -> int:
        """Its value in a document."""
        if self.name == BLACKLIST:
            return int((list_at(document, BLACKLIST) or [ABSENT])[0])
        value = get(document, OUTSIDE) if self.name == OUTSIDE else get(document, "apps", self.name, COUNTER)
        return value if isinstance(value, int) else ABSENT


@dataclass
class History:
    """All entries, what became of the changes, and the acknowledged revisions of each account's document."""

    entries: list[Entry] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    revisions: dict[int, list[str]] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)
    """Refusals that no order of the changes explains."""

    def entry(self, account: int, name: str) -> Entry:
        """A new entry, which does not exist yet."""
        self.entries.append(Entry(account, name))
        return self.entries[-1]

    def acknowledged(self, entry: Entry, value: int, revision: str | None = None) -> None:
        self.outcomes["outside" if entry.name == OUTSIDE else "acknowledged"] += 1
        entry.believed, entry.possible = value, {value}
        if revision is not None:
            self.revisions.setdefault(entry.account, []).append(revision)

    def unknown(self, entry: Entry, value: int) -> None:
        self.outcomes["unknown"] += 1
        entry.possible.add(value)

    def refused(self, entry: Entry, *, exists: bool) -> None:
        """A change was refused since the entry exists, or does not."""
        self.outcomes["refused"] += 1
        explaining = {value for value in entry.possible if (value != ABSENT) is exists}
        if not explaining:
            self.unexplained.append(f"{entry.name} of account {entry.account} {exists=} but {entry.possible}")
        # Which of them it is makes no difference to the owner.
        entry.believed = max(explaining, default=entry.last if exists else ABSENT)

    def lost(self, documents: dict[int, JsonObject], *, outside: bool = True) -> list[str]:
        """The entries whose stored values are none that they may have, in words."""
        found = [(entry, entry.stored(documents[entry.account])) for entry in self.entries]
        return [
            f"{entry.name} of account {entry.account} is {value}, not {sorted(entry.possible)}"
            for entry, value in found
            if value not in entry.possible and (outside or entry.name != OUTSIDE)
        ]
