"""Finds and loads the recordings and the tool that comes with them; nothing of them is copied.

``CONFORMANCE_DIR`` names another folder of the same form, or one that holds only ``*.jsonl``; missing parts
(``replay.py``, ``fixture.json``) are taken from the folder above it, else from the recordings beside the checkout.
"""

import functools
import importlib.util
import json
import os
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
    """``replay.py`` as a module, with the fixture of the recordings."""
    spec = importlib.util.spec_from_file_location("recorded_replay", pack.part("replay.py"))
    assert spec is not None
    assert spec.loader is not None
    tool: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    tool.load_fixture = functools.partial(tool.load_fixture, pack.part("fixture.json"))
    return tool
