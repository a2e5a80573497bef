"""Workers that do not do what they should."""

import signal
import time
from multiprocessing.connection import Connection

from crossbar_appstore.serving.supervisor import WorkerArguments


def ignore_sigterm(arguments: WorkerArguments, sender: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sender.send(True)
    time.sleep(600)


def never_start(arguments: WorkerArguments, sender: Connection) -> None:
    time.sleep(600)
