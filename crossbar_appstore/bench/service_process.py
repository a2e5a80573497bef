"""The process of the service under test: ``python -m crossbar_appstore.bench.service_process NAME=VALUE …``.

What ``serve`` runs, with these settings and no others, whatever the environment says. The first line on standard
output is the address.
"""

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
    settings = Settings.load({}, dict(word.split("=", 1) for word in words))
    set_up_logging()
    serving.run(serving.serve(settings, announce))


if __name__ == "__main__":
    main(sys.argv[1:])
