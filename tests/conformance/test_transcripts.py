"""The service answers as Crossbar was recorded to, but for the deviations that the recordings themselves name."""

import asyncio
import gc
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conformance.lane import Verdicts, replay
from tests.conformance.pack import Pack, steps

pytestmark = [
    pytest.mark.conformance,
    # The recordings' own fault proxy leaves sockets open where a client goes first.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PACK = Pack.named()
IDS = {transcript: [step["id"] for step in steps(transcript)] for transcript in PACK.transcripts}
LANES = 3
"""Most of the time is waiting: for changes to be seen, and for spent rate limits to fill up again."""


@pytest.fixture(scope="session")
def verdicts(
    request: pytest.FixtureRequest, embedded_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Verdicts:
    """Every selected step's verdict; the transcripts are dealt out to several services at once."""
    wanted = set(_selected(request.session.items))

    async def run() -> list[Verdicts]:
        places = [tmp_path_factory.mktemp("lane") for _ in range(LANES)]
        lanes = zip(_dealt(wanted), places, strict=True)
        return await asyncio.gather(
            *(replay(PACK, lane, wanted, place, embedded_cache) for lane, place in lanes if lane)
        )

    found = {step: verdict for lane in asyncio.run(run()) for step, verdict in lane.items()}
    gc.collect()  # what the tool left open is its own affair, and of no later test
    return found


def _selected(items: Iterable[pytest.Item]) -> Iterable[str]:
    for item in items:
        if isinstance(item, pytest.Function) and item.originalname == test_step_is_answered_as_recorded.__name__:
            yield str(item.callspec.params["step"])


def _dealt(wanted: set[str]) -> list[list[Path]]:
    """The transcripts that hold wanted steps, a list for each lane."""
    lanes: list[list[Path]] = [[] for _ in range(LANES)]
    seconds = {transcript: _seconds(transcript, wanted) for transcript in PACK.transcripts}
    for transcript in sorted(PACK.transcripts, key=lambda each: -seconds[each]):
        if seconds[transcript]:
            min(lanes, key=lambda lane: sum(seconds[each] for each in lane)).append(transcript)
    return lanes


def _seconds(transcript: Path, wanted: set[str]) -> int:
    """About how long a transcript takes: 2 s a change from outside, 10 s for a bucket to fill up."""
    chosen = [step for step in steps(transcript) if step["id"] in wanted]
    return sum(10 if "rate-limit" in step.get("tags", ()) else 2 for step in chosen)


@pytest.mark.skipif(not PACK.is_usable, reason=f"the recordings are not here: {PACK.folder.name}")
@pytest.mark.parametrize("step", [step for ids in IDS.values() for step in ids])
def test_step_is_answered_as_recorded(verdicts: Verdicts, step: str) -> None:
    verdict = verdicts[step]
    if verdict.result == "skip":
        pytest.skip("; ".join(verdict.details))
    assert verdict.result == "pass", "\n".join(verdict.details)
