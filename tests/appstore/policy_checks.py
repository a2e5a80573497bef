"""Compares the results with a recorded policy, reply by reply, by the table of tags in ``docs/policy.md``."""

from collections.abc import Callable
from dataclasses import dataclass

from crossbar_appstore.json_codec import JsonObject
from tests.appstore.corpus import CRASH, Case, canonical
from tests.appstore.policy_cases import (
    Answers,
    Reading,
    difference,
    expected_entry,
    expected_login,
    readings,
    recorded_published,
    stored_permission,
    tidied,
)


@dataclass(frozen=True)
class Comparison:
    case: Case
    ours: Answers
    readings: dict[str | None, Reading]
    coercion: bool

    @classmethod
    def of(cls, case: Case, ours: Answers) -> "Comparison":
        return cls(case, ours, readings(case["input"]), "coercion" in case["tags"])

    def check(self) -> None:
        for name, compare in (
            ("allowed", self._allowed),
            ("list", self._list),
            ("one", self._one),
            ("login", self._login),
        ):
            if self.case["output"][name] != CRASH:
                compare()

    def _allowed(self) -> None:
        recorded = self.case["output"]["allowed"]
        assert len(self.ours.allowed) == len(recorded)
        for ours, expected in zip(self.ours.allowed, recorded, strict=True):
            reading = self._reading(ours.id)
            if reading.decision or (self.coercion and not ours.published):
                continue
            assert ours.id == expected.get("id")
            assert ours.published == expected["published"]
            assert ours.authority == expected["authority"] or "authority" in reading.keys

    def _list(self) -> None:
        self._sequence(self.ours.listed, self.case["output"]["list"], self._entry)

    def _login(self) -> None:
        recorded, published = self.case["output"]["login"], recorded_published(self.case["output"])
        if published is None:
            return
        shown = [entry for entry, shows in zip(recorded, published, strict=True) if shows]
        listed = {entry.get("id"): entry for entry in reversed(self.case["output"]["list"])}
        self._sequence(self.ours.login, shown, lambda entry: expected_login(entry, listed.get(entry.get("id"), {})))

    def _one(self) -> None:
        for app_id, recorded in self.case["output"]["one"].items():
            ours, reading = self.ours.one[app_id], self._reading(app_id)
            if recorded == CRASH or "id" in reading.keys or "name" in reading.keys:
                continue
            expected = None if recorded is None else self._entry(recorded)
            assert (ours is None) == (expected is None)
            if ours is not None and expected is not None:
                assert difference(ours, expected, free=reading.keys) == []
                assert ours.keys() - expected.keys() - reading.keys == set()

    def _sequence(
        self,
        ours: list[JsonObject],
        recorded: list[JsonObject],
        repaired: Callable[[JsonObject], JsonObject | None],
    ) -> None:
        expected = [entry for entry in map(repaired, recorded) if entry is not None and self._is_certain(entry)]
        shown = [entry for entry in ours if self._is_certain(entry)]
        if self.coercion:
            known = {entry["id"] for entry in shown}
            expected = [entry for entry in expected if entry["id"] in known]
        assert [entry["id"] for entry in shown] == [entry["id"] for entry in expected]
        for mine, other in zip(shown, expected, strict=True):
            assert difference(mine, other, free=self._reading(other["id"]).keys) == []

    def _entry(self, recorded: JsonObject) -> JsonObject | None:
        return expected_entry(recorded, stored_permission(self.case["input"], recorded.get("id")))

    def _is_certain(self, entry: JsonObject) -> bool:
        return not self._reading(entry["id"]).decision

    def _reading(self, app_id: str | None) -> Reading:
        return self.readings.get(app_id, Reading())


def assert_refused_parts_do_not_count(
    case: Case, ours: Answers, answer: Callable[[dict[str, object]], Answers]
) -> None:
    """The ignored parts of permissions have no effect: without them the results are the same."""
    tidy = answer(tidied(case["input"]))
    for mine, other in zip(ours.allowed, tidy.allowed, strict=True):
        assert (mine.id, mine.published, mine.authority) == (other.id, other.published, other.authority)
    for mine_list, other_list in ((ours.listed, tidy.listed), (ours.login, tidy.login)):
        assert [_essence(entry) for entry in mine_list] == [_essence(entry) for entry in other_list]
    assert {key: body and _essence(body) for key, body in ours.one.items()} == {
        key: body and _essence(body) for key, body in tidy.one.items()
    }


def _essence(entry: JsonObject) -> str:
    return canonical({key: value for key, value in entry.items() if key not in ("users", "ui_metadata")})
