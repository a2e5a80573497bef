"""Content-Disposition of downloads (RFC 6266)."""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote

_PLAIN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")


@lru_cache(maxsize=1024)
def attachment(file_name: str, *, quoted: bool = True) -> str:
    """``attachment; filename=…``: plain names as Crossbar writes them, others quoted and with an encoded twin.

    Args:
        quoted: whether a plain name is quoted too; Crossbar quotes CSV names and leaves pictures bare.
    """
    name = "".join(char for char in file_name if char.isprintable())
    if _PLAIN.match(name) and not quoted:
        return f"attachment; filename={name}"
    ascii_name = name.encode("ascii", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
    header = f'attachment; filename="{ascii_name}"'
    return header if name.isascii() else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
