"""Conflicts that CouchDB has stored: what their losing branches hold, and how they are merged into the winner.

Entries (``datastore.edits``) are compared with the revision from which the branches come. What only one branch changed
is taken from it; where both changed an entry, the latest change wins, by ``pvt_modified`` of the revision that made it.
Where CouchDB has compacted that revision away, only what the winner does not have is taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.edits import ATTACHMENTS, Path, edits, value_at, with_values
from crossbar_appstore.datastore.replies import history
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import MISSING, Missing, list_at
from crossbar_appstore.maintenance import lookup
from crossbar_appstore.maintenance.reports import DocumentChange, Finding, Repair, Severity

_MAX_REVISIONS: Final = 50
"""Revisions of a branch that are read to find out when an entry was changed; older ones count as unchanged."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch: its revisions as far as they are stored, oldest first, after ``common``, where the branches part.

    ``common`` is None if there is no such revision, or it is not stored any more.
    """

    revisions: Sequence[JsonObject]
    common: JsonObject | None

    @property
    def newest(self) -> JsonObject:
        """Its last revision."""
        return self.revisions[-1]

    def changes(self) -> dict[Path, int]:
        """When each entry was changed last, in Gregorian seconds; 0 where nothing tells."""
        found: dict[Path, int] = {}
        before = self.common
        for after in self.revisions:
            modified = after.get("pvt_modified")
            found |= dict.fromkeys(edits(before, after), modified if isinstance(modified, int) else 0)
            before = after
        return found


@dataclass(frozen=True, slots=True)
class Merge:
    """What is taken from a losing branch: values by entry; and the attachments that only the branch has."""

    taken: Mapping[Path, Json | Missing]
    kept: Sequence[Path]
    """Entries that both branches changed, of which the winner's is the latest."""
    attachments: Sequence[str]


def merge(ours: JsonObject, times: Mapping[Path, int], loser: Branch) -> Merge:
    """Decide what a document takes from a losing branch; ``times`` as ``Branch.changes`` says of the winning one."""
    theirs = loser.newest
    if loser.common is None:
        # Nothing tells what the winner has removed: it only gets what it has not.
        wanted = {path: edit.after for path, edit in edits(ours, theirs).items() if edit.before is MISSING}
        kept = []
    else:
        changed, their_times = edits(loser.common, theirs), loser.changes()
        differing = {path: edit.after for path, edit in changed.items() if value_at(ours, path) != edit.after}
        both = {path for path in differing if value_at(ours, path) != changed[path].before}
        kept = [path for path in both if times.get(path, 0) >= their_times.get(path, 0)]
        wanted = {path: value for path, value in differing.items() if path not in kept}
    attachments = [path[1] for path, value in wanted.items() if path[0] == ATTACHMENTS and value is not MISSING]
    return Merge({path: value for path, value in wanted.items() if path[0] != ATTACHMENTS}, kept, attachments)


async def conflict_findings(
    couch: Couch, subject: str, database: str, document: JsonObject | None, command: str
) -> list[Finding]:
    """A finding for each losing revision in ``_conflicts`` of a document, with the repair that merges it.

    ``command`` is the command line that makes the repairs.
    """
    losing = list_at(document, "_conflicts")
    if document is None or not losing:
        return []
    doc_id: str = document["_id"]
    winner = await couch.open_doc(database, doc_id, revs=True)
    merged, found = _bare(winner), []
    taken_at: dict[Path, int] = {}
    for revision in losing:
        loser = await lookup.stored(couch, database, doc_id, rev=revision, revs=True)
        if loser is None:
            continue
        winning, other = await _branches(couch, database, winner, loser)
        # What was taken from another losing branch before counts as the winner's.
        result = merge(merged, {**winning.changes(), **taken_at}, other)
        found.append(_finding(subject, database, doc_id, revision, merged, result, command))
        merged = with_values(merged, result.taken)
        taken_at |= {path: at for path, at in other.changes().items() if path in result.taken}
    return found


def _finding(
    subject: str, database: str, doc_id: str, revision: str, merged: JsonObject, result: Merge, command: str
) -> Finding:
    message = f"revision {revision} of {doc_id} in {database} lost a conflict and is still stored"
    if result.attachments:
        url = f"$COUCHDB_URL/{database.replace('/', '%2F')}/{doc_id}"
        message += f"; only it has the attachments {', '.join(result.attachments)}: save those before you delete it"
        return Finding(
            Severity.WARNING, "conflict", subject, message, f'curl -X DELETE "{url}?rev={revision}"', None, revision
        )
    words = [f"takes {_words(path, value)} from revision {revision}" for path, value in result.taken.items()]
    words += [f"keeps {'.'.join(path)}, which was changed later" for path in result.kept]
    repair = Repair(
        database,
        doc_id,
        "; ".join([*words, f"removes revision {revision}"]),
        _taking(merged, result.taken),
        (revision,),
    )
    return Finding(Severity.WARNING, "conflict", subject, message, command, repair, revision)


def _words(path: Path, value: Json | Missing) -> str:
    return f"the removal of {'.'.join(path)}" if value is MISSING else ".".join(path)


def _taking(seen: JsonObject, taken: Mapping[Path, Json | Missing]) -> DocumentChange:
    """The change that takes values over where the document still has those that were seen."""

    def change(document: JsonObject) -> JsonObject:
        unchanged = {path: new for path, new in taken.items() if value_at(document, path) == value_at(seen, path)}
        return with_values(document, unchanged)

    return change


async def _branches(couch: Couch, database: str, *leaves: JsonObject) -> list[Branch]:
    """The branches of two revisions, each with its history."""
    paths = [history(leaf) for leaf in leaves]
    common = next((revision for revision in paths[1] if revision in paths[0]), None)
    doc_id = leaves[0]["_id"]
    before = None if common is None else await lookup.stored(couch, database, doc_id, rev=common)
    branches = []
    for leaf, path in zip(leaves, paths, strict=True):
        own = path[1 : path.index(common)] if common is not None else []
        read = [await lookup.stored(couch, database, doc_id, rev=each) for each in own[:_MAX_REVISIONS]]
        branches.append(Branch([*(each for each in reversed(read) if each is not None), _bare(leaf)], before))
    return branches


def _bare(document: JsonObject) -> JsonObject:
    return {name: value for name, value in document.items() if name != "_revisions"}
