"""The recordings, and the tool that comes with them, found and loaded; nothing of them is copied.

``CONFORMANCE_DIR`` names another folder of the same form, or one that holds nothing but ``*.jsonl``; what it lacks
(``replay.py``, ``fixture.json``) is taken from the folder above it, else from the recordings beside the checkout.
"""

import functools
import importlib.util
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BESIDE = Path(__file__).parents[3] / "shared" / "conformance"


@dataclass(frozen=True)
class Pack:
    """Where the parts of the recordings are; ``transcripts`` is empty where there are none."""

    folder: Path
    transcripts: tuple[Path, ...]

    @classmethod
    def named(cls) -> "Pack":
        folder = Path(os.environ.get("CONFORMANCE_DIR") or BESIDE).absolute()
        return cls(folder, tuple(sorted(folder.glob("transcripts/*.jsonl")) or sorted(folder.glob("*.jsonl"))))

    @property
    def is_usable(self) -> bool:
        return bool(self.transcripts) and all(self._found(name) for name in ("replay.py", "fixture.json"))

    def part(self, name: str) -> Path:
        found = self._found(name)
        assert found is not None, f"there is no {name} with {self.folder}"
        return found

    def _found(self, name: str) -> Path | None:
        return next(
            (each / name for each in (self.folder, self.folder.parent, BESIDE) if (each / name).is_file()), None
        )


def steps(transcript: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in transcript.read_text(encoding="utf-8").splitlines() if line.strip()]


def load_tool(pack: Pack) -> Any:
    """``replay.py`` as a module of its own, corrected where it is not what its README says."""
    spec = importlib.util.spec_from_file_location("recorded_replay", pack.part("replay.py"))
    assert spec is not None
    assert spec.loader is not None
    tool: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    _correct(tool)
    tool.load_fixture = functools.partial(tool.load_fixture, pack.part("fixture.json"))
    return tool


def _correct(tool: Any) -> None:
    class Matcher(tool.Matcher):  # type: ignore[misc] # its base is known when it is loaded
        """Knows ``{{absent}}`` for headers, too."""

        def header(self, name: str, expected: Any, actual: str | None) -> None:
            super().header(name, None if expected == "{{absent}}" else expected, actual)

    class Runner(tool.Runner):  # type: ignore[misc] # its base is known when it is loaded
        """Carries documents from step to step only within a group."""

        _group: str | None = None

        def prepare(self, step: dict[str, Any]) -> list[dict[str, Any]]:
            changed = False
            if step["group"] != self._group:
                self._group = step["group"]
                changed = self._start_afresh(step)
            at_once: list[dict[str, Any]] = []
            deferred: list[dict[str, Any]] = []
            for op in step.get("setup", []):
                (deferred if op["op"] == "exhaust_rate_limits" else at_once).append(op)
            for op in at_once:
                changed = bool(self.apply(op)) or changed
            if changed:
                time.sleep(self.args.settle)
            return deferred

        def _start_afresh(self, step: dict[str, Any]) -> bool:
            """Restore what earlier groups left, but for what the step sets itself."""
            own = {_document(op) for op in step.get("setup", [])}
            restored = [self.ops.reset_doc(*where) for where in sorted(self.touched - own)]
            return any(restored)

    tool.Matcher, tool.Runner = Matcher, Runner


def _document(op: dict[str, Any]) -> tuple[str, str] | None:
    return (op["db"], op["id"] if "id" in op else op["doc"]["_id"]) if "db" in op else None
