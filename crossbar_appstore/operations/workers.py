"""Questions to all worker processes of a service, through files of the directory that they share.

Who asks increments a counter in shared memory; each worker looks at it ten times a second and writes its answer to a
file. So a request costs nothing more with several workers, and an answer is complete and not older than its question.
A worker holds a lock of its file, which ends with the process: an answer in a file without a lock is the last one of a
worker that ended.
"""

import asyncio
import fcntl
import logging
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from crossbar_appstore.json_codec import Json, dumps, loads
from crossbar_appstore.shared_memory import SharedMemory

log = logging.getLogger(__name__)

READINESS: Final = "readiness"
METRICS: Final = "metrics"
_TOPICS: Final = (READINESS, METRICS)

Report = Callable[[], Awaitable[Json]]
"""Makes a worker's answer."""
Fold = Callable[[Json, Json], Json]
"""From what is kept of ended workers (None: nothing yet) and the last answer of one more to what is kept then."""

_LOOK_SECONDS: Final = 0.1
_ASK_PAUSE: Final = 0.02


class Workers:
    """The workers that share a directory.

    Args:
        directory: the shared one.
    """

    def __init__(self, directory: Path) -> None:
        self._folder = directory / "workers"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._shared = SharedMemory(8 * len(_TOPICS), self._folder / "questions")
        self._asked = memoryview(self._shared.memory).cast("Q")
        # In a container each run has the same process ids.
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"

    @asynccontextmanager
    async def answering(self, reports: Mapping[str, Report]) -> AsyncIterator[None]:
        """Answer the questions as a worker (topic → report) for as long as the context is entered."""
        # Before others see this worker: what is asked from then on must not be missed.
        answered = list(self._asked)
        with self._registered() as path:
            answering = asyncio.create_task(self._answer(path, reports, answered))
            try:
                yield
            finally:
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)
                # What was counted since the last question.
                self._write(path, METRICS, await reports[METRICS]())

    async def ask(self, topic: str, seconds: float) -> dict[str, Json]:
        """Name → answer of each worker that runs, except this one; None if it gave none in so many seconds.

        A name is the process id, a dash, and what tells it from earlier processes with that id.
        """
        others = [name for name in self._running() if name != self._name]
        if not others:
            return {}
        number = self._next(topic)
        answers: dict[str, Json] = dict.fromkeys(others)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while waiting := [name for name in others if answers[name] is None]:
                    await asyncio.sleep(_ASK_PAUSE)
                    answers |= {name: self._answered(name, topic, number) for name in waiting}
        # One that ended meanwhile is no worker that does not answer.
        running = set(self._running())
        return {name: answer for name, answer in answers.items() if answer is not None or name in running}

    def last_metrics(self, name: str) -> Json:
        """What a worker answered last, to whichever question about metrics; None if it never did."""
        return self._answered(name, METRICS, 0)

    def ended(self, fold: Fold, answered: Iterable[str]) -> Json:
        """What is kept of the metrics of ended workers, whose files are removed; None if none ended yet.

        Those who have ``answered`` are left for the next time, so that they are not counted twice.
        """
        kept_path, left = self._folder / "ended", set(answered)
        with self._shared.locked():
            kept = _read(kept_path)
            gone = [path for path in self._files() if path.stem not in left and not _is_locked(path)]
            for path in gone:
                answer = _read(path.with_suffix(f".{METRICS}"))
                if answer is not None:
                    kept = fold(kept, answer[1])
            if gone:
                _replace(kept_path, kept)
            for path in gone:
                for each in (path, *(path.with_suffix(f".{topic}") for topic in _TOPICS)):
                    each.unlink(missing_ok=True)
        return kept

    @contextmanager
    def _registered(self) -> Iterator[Path]:
        """The locked file of this process."""
        path = self._folder / f"{self._name}.worker"
        # Unlike a lock of the process, this one is seen by others in the same process, too.
        with self._shared.locked():
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield path
        finally:
            os.close(descriptor)

    async def _answer(self, path: Path, reports: Mapping[str, Report], answered: list[int]) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            asked = list(self._asked)
            for index, topic in enumerate(_TOPICS):
                if asked[index] != answered[index]:
                    try:
                        self._write(path, topic, await reports[topic](), asked[index])
                    except Exception:
                        # Later questions may be answered again.
                        log.exception("question of another worker not answered", extra={"topic": topic})
            answered = asked

    def _write(self, path: Path, topic: str, report: Json, number: int = 0) -> None:
        _replace(path.with_suffix(f".{topic}"), [number, report])

    def _next(self, topic: str) -> int:
        index = _TOPICS.index(topic)
        with self._shared.locked():
            self._asked[index] += 1
            return self._asked[index]

    def _answered(self, name: str, topic: str, number: int) -> Json:
        answer = _read(self._folder / f"{name}.{topic}")
        return answer[1] if answer is not None and answer[0] >= number else None

    def _running(self) -> list[str]:
        return [path.stem for path in self._files() if _is_locked(path)]

    def _files(self) -> list[Path]:
        return list(self._folder.glob("*.worker"))


def _is_locked(path: Path) -> bool:
    """Whether the worker whose file this is still runs."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _read(path: Path) -> Json:
    try:
        return loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _replace(path: Path, value: Json) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_bytes(dumps(value))
    new.replace(path)
