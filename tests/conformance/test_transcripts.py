"""The service gives the recorded answers of Crossbar, except for the deviations named in the recordings."""

import asyncio
import gc
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conformance.lane import Verdicts, replay
from tests.conformance.pack import Pack, steps

pytestmark = [
    pytest.mark.conformance,
    # The fault proxy of the recordings leaves sockets open if the client disconnects first.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PACK = Pack.named()
IDS = {transcript: [step["id"] for step in steps(transcript)] for transcript in PACK.transcripts}
LANES = 3
"""Lanes run at the same time: they mostly wait for changes to be seen and for rate limits to refill."""


@pytest.fixture(scope="session")
def verdicts(
    request: pytest.FixtureRequest, embedded_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Verdicts:
    """The verdict of every selected step; the transcripts are distributed over several services."""
    wanted = set(_selected(request.session.items))

    async def run() -> list[Verdicts]:
        places = [tmp_path_factory.mktemp("lane") for _ in range(LANES)]
        lanes = zip(_distributed(wanted), places, strict=True)
        return await asyncio.gather(
            *(replay(PACK, lane, wanted, place, embedded_cache) for lane, place in lanes if lane)
        )

    found = {step: verdict for lane in asyncio.run(run()) for step, verdict in lane.items()}
    gc.collect()  # closes what the tool left open, before other tests run
    return found


def _selected(items: Iterable[pytest.Item]) -> Iterable[str]:
    for item in items:
        if isinstance(item, pytest.Function) and item.originalname == test_service_answers_step_as_recorded.__name__:
            yield str(item.callspec.params["step"])


def _distributed(wanted: set[str]) -> list[list[Path]]:
    """The transcripts with wanted steps, a list for each lane."""
    lanes: list[list[Path]] = [[] for _ in range(LANES)]
    seconds = {transcript: _seconds(transcript, wanted) for transcript in PACK.transcripts}
    for transcript in sorted(PACK.transcripts, key=lambda each: -seconds[each]):
        if seconds[transcript]:
            min(lanes, key=lambda lane: sum(seconds[each] for each in lane)).append(transcript)
    return lanes


def _seconds(transcript: Path, wanted: set[str]) -> int:
    """A transcript's duration, about: 2 s for an outside change, 10 s for a token bucket to refill."""
    chosen = [step for step in steps(transcript) if step["id"] in wanted]
    return sum(10 if "rate-limit" in step.get("tags", ()) else 2 for step in chosen)


@pytest.mark.skipif(not PACK.is_usable, reason=f"the recordings are not here: {PACK.folder.name}")
@pytest.mark.parametrize("step", [step for ids in IDS.values() for step in ids])
def test_service_answers_step_as_recorded(verdicts: Verdicts, step: str) -> None:
    verdict = verdicts[step]
    if verdict.result == "skip":
        pytest.skip("; ".join(verdict.details))
    assert verdict.result == "pass", "\n".join(verdict.details)
