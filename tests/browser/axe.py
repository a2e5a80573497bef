"""axe-core from npm, which searches a page for what keeps people out."""

import asyncio
import hashlib
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

from crossbar_appstore.embedded.install import file_lock, find_node

PROJECT: Final = Path(__file__).with_name("npm")
_LISTED: Final = ("package.json", "package-lock.json")
_RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_RUN: Final = """async (rules) => {
    const { violations } = await axe.run(document, { runOnly: rules, resultTypes: ["violations"] });
    return violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => node.html) }));
}"""


async def axe_source(cache: Path) -> str:
    """The script of axe-core, installed once for the lock file into the cache directory."""
    content = b"\0".join((PROJECT / name).read_bytes() for name in _LISTED)
    target = cache / f"axe-core-{hashlib.sha256(content).hexdigest()[:16]}"
    script = target / "node_modules/axe-core/axe.min.js"
    cache.mkdir(parents=True, exist_ok=True)
    async with file_lock(cache / "install-axe.lock"):
        if not script.exists():
            target.mkdir(exist_ok=True)
            for name in _LISTED:
                shutil.copyfile(PROJECT / name, target / name)
            command = (*find_node().npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
            run = partial(subprocess.run, command, cwd=target, capture_output=True, text=True, check=False)
            done = await asyncio.to_thread(run)
            assert done.returncode == 0, done.stdout + done.stderr
    return script.read_text("utf-8")


async def violations(page: Page, source: str) -> list[dict[str, Any]]:
    """What axe finds on the page as it is now."""
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(source)
    found: list[dict[str, Any]] = await page.evaluate(_RUN, list(_RULES))
    return found
