"""A worker that ignores SIGTERM."""

import signal
import time
from multiprocessing.connection import Connection

from crossbar_appstore.serving.supervisor import WorkerArguments


def worker_main(arguments: WorkerArguments, sender: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sender.send(arguments.number)
    time.sleep(600)
