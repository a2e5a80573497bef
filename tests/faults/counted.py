"""``crossbar-appstore serve`` that writes the number of its asyncio tasks to a file at SIGUSR1."""

import asyncio
import signal
import sys
from pathlib import Path
from types import FrameType

from crossbar_appstore.cli import main


def count_tasks(number: int, frame: FrameType | None) -> None:
    # The handler runs in the thread of the loop.
    Path(sys.argv[1]).write_text(str(len(asyncio.all_tasks())))


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, count_tasks)
    sys.exit(main(["serve"]))
