"""What a load did, or would do: one outcome an app."""

from collections import Counter
from dataclasses import dataclass
from typing import Self

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.maintenance.app_plan import Action, AppPlan
from crossbar_appstore.maintenance.field_changes import FieldChange, PictureChange
from crossbar_appstore.maintenance.remarks import Remark, Weight


@dataclass(frozen=True, slots=True)
class AppOutcome:
    """What became of one app's folder, or would in a dry run."""

    folder: str
    name: str | None
    app_id: str | None
    action: Action
    revision: str | None = None
    changes: tuple[FieldChange, ...] = ()
    pictures: tuple[PictureChange, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @classmethod
    def of(cls, plan: AppPlan, *, revision: str | None = None) -> Self:
        """The outcome of a plan: with its new revision once it was carried out."""
        saved_id = plan.document["_id"] if plan.document is not None and revision is not None else None
        return cls(
            str(plan.source.folder),
            plan.source.name,
            saved_id or plan.app_id,
            plan.action,
            revision,
            plan.changes,
            plan.pictures,
            plan.remarks,
        )

    @classmethod
    def failed(cls, plan: AppPlan, rule: str, message: str) -> Self:
        """The outcome of a plan whose save was refused."""
        remark = Remark(Weight.REFUSED, str(plan.source.folder), "", rule, message)
        folder, name = str(plan.source.folder), plan.source.name
        return cls(folder, name, plan.app_id, Action.FAILED, remarks=(*plan.remarks, remark))

    @property
    def has_refusals(self) -> bool:
        """Whether the app, or a picture of it, was not taken."""
        return any(remark.weight in (Weight.REFUSED, Weight.LEFT_OUT) for remark in self.remarks)

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "folder": self.folder,
            "name": self.name,
            "id": self.app_id,
            "action": str(self.action),
            "revision": self.revision,
            "changes": [change.as_json() for change in self.changes],
            "pictures": [picture.as_json() for picture in self.pictures],
            "remarks": [remark.as_json() for remark in self.remarks],
        }


@dataclass(frozen=True, slots=True)
class LoadReport:
    """A whole load. ``remarks`` are about the search for folders."""

    outcomes: tuple[AppOutcome, ...]
    remarks: tuple[Remark, ...] = ()
    dry_run: bool = False

    @property
    def has_refusals(self) -> bool:
        """Whether anything was refused."""
        return any(outcome.has_refusals for outcome in self.outcomes)

    @property
    def counts(self) -> dict[Action, int]:
        """How many apps each action befell."""
        found = Counter(outcome.action for outcome in self.outcomes)
        return {action: found[action] for action in Action if found[action]}

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "dry_run": self.dry_run,
            "counts": {str(action): count for action, count in self.counts.items()},
            "apps": [outcome.as_json() for outcome in self.outcomes],
            "remarks": [remark.as_json() for remark in self.remarks],
        }
