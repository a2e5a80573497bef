"""The commands in docs/kazoo5.md print the output shown below them, with a new demo system."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Need
from tests.docs.demo import running_demo, without_settings
from tests.docs.pages import DOCS, fences

PAGE: Final = DOCS / "kazoo5.md"
API: Final = "http://127.0.0.1:8000"


def expected() -> list[str]:
    """The output of each shell block."""
    blocks = fences(PAGE)
    following = [*blocks[1:], None]
    return [
        after.text if after is not None and after.language == "text" else ""
        for block, after in zip(blocks, following, strict=True)
        if block.language == "shell"
    ]


@pytest.mark.timeout(300)
async def test_kazoo5_page_examples_print_what_is_shown(need: Need, embedded_cache: Path, tmp_path: Path) -> None:
    for tool in ("bash", "curl", "cmp", "sed", "base64", "python3"):
        need(tool, shutil.which(tool))
    lines = ["set -euo pipefail"]
    for number, block in enumerate(each for each in fences(PAGE) if each.language == "shell"):
        lines += [f"exec >{tmp_path / str(number)}", block.text]
    async with running_demo(tmp_path / "data", embedded_cache) as demo:
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            "\n".join(lines).replace(API, demo.api),
            cwd=tmp_path,
            env=without_settings(),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaints = await process.communicate()
    assert (process.returncode, complaints.decode()) == (0, "")
    assert [(tmp_path / str(number)).read_text() for number in range(len(expected()))] == expected()
