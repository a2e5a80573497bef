"""Finding apps on disk: folders that hold ``metadata/app.json``."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossbar_appstore.maintenance.remarks import ABOUT_FILE, Remark, Weight

METADATA: Final = "metadata"
APP_JSON: Final = "app.json"

_SKIPPED: Final = frozenset({".git", ".hg", ".svn", "node_modules"})


@dataclass(frozen=True, slots=True)
class Found:
    """App folders below a path, sorted, and what was not looked into."""

    folders: tuple[Path, ...]
    remarks: tuple[Remark, ...] = ()


def find_app_folders(path: Path) -> Found:
    """Every app folder at or below a path (``crossbar_maintenance:find_apps/1``).

    Unlike KAZOO, which takes each file whose name contains ``app.json``, wherever it lies. Folders of version control
    are passed over, links to folders are named but not followed.
    """
    folders: list[Path] = []
    remarks: list[Remark] = []
    unreadable: list[OSError] = []
    for place, subfolders, files in os.walk(path, onerror=unreadable.append):
        here = Path(place)
        if here.name == METADATA and APP_JSON in files:
            folders.append(here.parent)
        remarks += [_not_followed(here / name) for name in subfolders if (here / name).is_symlink()]
        subfolders[:] = [name for name in subfolders if name not in _SKIPPED]
    remarks += [_unreadable(error) for error in unreadable]
    return Found(tuple(sorted(folders)), tuple(remarks))


def _not_followed(link: Path) -> Remark:
    message = f"is a symbolic link, which is not followed; load {link.name} by its own path"
    return Remark(Weight.NOTE, str(link), ABOUT_FILE, "symlink", message)


def _unreadable(error: OSError) -> Remark:
    message = f"cannot be read: {error.strerror or error}"
    return Remark(Weight.NOTE, str(error.filename), ABOUT_FILE, "readable", message)
