"""The process of the service under test: ``python -m crossbar_appstore.bench.service_process LEVEL NAME=VALUE …``.

What ``serve`` runs, with these settings and no others, whatever the environment says. LEVEL is of the log: WARNING
leaves out the line for each request, which the bare handler does not write either. The first line on standard output
is the address.
"""

import logging
import sys

from crossbar_appstore import serving
from crossbar_appstore.logs import set_up_logging
from crossbar_appstore.settings import Settings


def announce(address: str) -> None:
    """Tell the bench where the service listens."""
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()


def main(words: list[str]) -> None:
    """Serve until SIGTERM."""
    level, *given = words
    settings = Settings.load({}, dict(word.split("=", 1) for word in given))
    set_up_logging(logging.getLevelNamesMapping()[level])
    serving.run(serving.serve(settings, announce))


if __name__ == "__main__":
    main(sys.argv[1:])
