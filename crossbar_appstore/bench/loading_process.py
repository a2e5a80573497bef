"""Loads apps again and again: ``python -m crossbar_appstore.bench.loading_process COUCHDB_URL FOLDER``.

What ``init-apps`` does, each time with another address of the API, so that each time every app is written.
"""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path
from typing import Final

from crossbar_appstore.bench.cores import give_way
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance.app_plan import LoadOptions
from crossbar_appstore.maintenance.app_source import find_app_folders
from crossbar_appstore.maintenance.loading import load_apps
from crossbar_appstore.maintenance.lookup import MasterCatalogue

_PAUSE: Final = 0.5


async def load(couchdb_url: str, folder: Path) -> None:
    """Load the apps in the folder until the process is ended."""
    folders = find_app_folders(folder).folders
    async with Couch(couchdb_url) as couch:
        catalogue = await MasterCatalogue.of(couch)
        for number in count():
            options = LoadOptions(api_url=f"https://api-{number % 2}.example.com:8443/v2/")
            report = await load_apps(catalogue, folders, options)
            sys.stdout.write(f"{len(report.apps)}\n")
            sys.stdout.flush()
            await asyncio.sleep(_PAUSE)


if __name__ == "__main__":
    give_way(os.getpid())
    asyncio.run(load(sys.argv[1], Path(sys.argv[2])))
