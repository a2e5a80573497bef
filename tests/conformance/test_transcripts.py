"""The service answers as Crossbar was recorded to, but for the pack's deviations and what known.json names."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.lane import Results, replay
from tests.conftest import Need

PACK = Path(os.environ.get("CONFORMANCE_DIR") or Path(__file__).parents[3] / "shared" / "conformance").absolute()
TRANSCRIPTS = sorted(PACK.glob("transcripts/*.jsonl"))
KNOWN: dict[str, str] = json.loads((Path(__file__).parent / "known.json").read_bytes())

# Most of the time is waiting for changes to be seen, so that several replays fit beside each other.
LANES = 4


def steps_of(transcript: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in transcript.read_text(encoding="utf-8").splitlines() if line.strip()]


STEPS = {transcript: steps_of(transcript) for transcript in TRANSCRIPTS}
IDS = [step["id"] for steps in STEPS.values() for step in steps]


def lanes() -> list[list[Path]]:
    """The transcripts dealt out so that each lane waits for about as many changes."""

    def waits(transcript: Path) -> int:
        return 1 + sum(bool(step.get("setup")) for step in STEPS[transcript])

    dealt: list[list[Path]] = [[] for _ in range(LANES)]
    for transcript in sorted(TRANSCRIPTS, key=waits, reverse=True):
        min(dealt, key=lambda lane: sum(map(waits, lane))).append(transcript)
    return [lane for lane in dealt if lane]


@pytest.fixture(scope="module")
def results(embedded_cache: Path, need: Need, tmp_path_factory: pytest.TempPathFactory) -> Results:
    need(str(PACK), TRANSCRIPTS)

    async def run() -> list[Results]:
        places = [tmp_path_factory.mktemp("lane") for _ in lanes()]
        return await asyncio.gather(
            *(replay(PACK, lane, place, embedded_cache) for lane, place in zip(lanes(), places, strict=True))
        )

    return {step: result for lane in asyncio.run(run()) for step, result in lane.items()}


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, marks=pytest.mark.xfail(reason=KNOWN[step], strict=True) if step in KNOWN else ())
        for step in IDS
    ],
)
def test_step_is_answered_as_recorded(results: Results, step: str) -> None:
    result, details = results[step]
    if result == "skip":
        pytest.skip("; ".join(details))
    assert result == "pass", "\n".join(details)


def test_every_known_difference_is_a_recorded_step(need: Need) -> None:
    need(str(PACK), TRANSCRIPTS)
    assert set(KNOWN) <= set(IDS)
