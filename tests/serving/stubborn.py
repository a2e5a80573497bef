"""A worker that does not stop when it is asked to."""

import signal
import time
from multiprocessing.connection import Connection

from crossbar_appstore.supervising import WorkerSeat


def worker_main(seat: WorkerSeat, tell: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell.send(seat.number)
    time.sleep(600)
