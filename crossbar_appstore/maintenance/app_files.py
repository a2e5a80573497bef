"""Reading the files of an app's folder, and none outside of it."""

import os
import stat
from pathlib import Path, PurePath
from typing import Final

MAX_METADATA_BYTES: Final = 1_000_000
"""The largest app.json in the wild has 20 kB."""


class FileMissing(Exception):
    """There is no such file."""


class FileRefused(Exception):
    """The file is there, but must not or cannot be read."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


def is_plain_name(name: str) -> bool:
    """Whether a name is that of a file, not a path, and one that CouchDB takes for an attachment."""
    return (
        name not in ("", ".", "..")
        and not name.startswith("_")
        and not any(char in name for char in "/\\\0")
        and PurePath(name).name == name
    )


def read_inside(folder: Path, path: Path, limit: int) -> bytes:
    """The bytes of a file of an app's folder.

    Args:
        folder: the app's folder.
        path: the file, below it by its name.
        limit: bytes; a longer file is refused.

    Raises:
        FileMissing: no such file.
        FileRefused: a link leads out of the folder, it is no file, it is too large, or may not be read.
    """
    try:
        real = path.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError):
        raise FileMissing(str(path)) from None
    except (OSError, RuntimeError) as error:  # a loop of links
        raise FileRefused("readable", f"cannot be read: {_reason(error)}") from None
    if not real.is_relative_to(folder.resolve()):
        raise FileRefused("inside", "a symbolic link leads out of the app's folder")
    try:
        return _read(real, limit)
    except OSError as error:
        raise FileRefused("readable", f"cannot be read: {_reason(error)}") from None


def _read(path: Path, limit: int) -> bytes:
    # Not blocking, as the file may be a pipe; no link, as it was resolved a moment ago.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FileRefused("regular", "is not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        size = max(status.st_size, len(content))
        raise FileRefused("size", f"is too large: {size:,} bytes, {limit:,} are allowed")
    return content


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
