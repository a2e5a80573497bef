"""Content-Disposition of downloads (RFC 6266)."""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from crossbar_appstore.crossbar.media_types import TOKEN

_PLAIN: Final = re.compile(rf"{TOKEN}\Z")


@lru_cache(maxsize=256)
def attachment(file_name: str, *, quoted: bool = True) -> str:
    """``attachment; filename=…``: plain names as Crossbar writes them, others quoted and with an encoded twin.

    Folders in front of the name and control characters are left out.

    Args:
        quoted: whether a plain name is quoted too; Crossbar quotes CSV names and leaves pictures bare.
    """
    name = "".join(char for char in file_name.rpartition("/")[2] if char.isprintable())
    if _PLAIN.match(name) and not quoted:
        return f"attachment; filename={name}"
    ascii_name = name.encode("ascii", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
    header = f'attachment; filename="{ascii_name}"'
    return header if name.isascii() else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
