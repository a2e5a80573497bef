"""Runs the ``shell`` blocks of README and tutorial from top to bottom against a demo and compares their output."""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Need
from tests.docs.demo import Demo, running_demo, without_settings
from tests.docs.pages import CHECKOUT, DOCS, README, TUTORIAL, Fence, fences, name, text
from tests.docs.printed import Printed

API: Final = "http://127.0.0.1:8000"
COUCHDB: Final = "http://127.0.0.1:5984"
PATIENCE: Final = 120.0


def steps(page: Path) -> list[tuple[Fence, Fence | None]]:
    """Each shell block with the answer that is printed below it, or None."""
    blocks = [fence for fence in fences(page) if fence.language in ("shell", "json", "text")]
    following = [*blocks[1:], None]
    return [
        (block, after if after is not None and after.language != "shell" else None)
        for block, after in zip(blocks, following, strict=True)
        if block.language == "shell"
    ]


def script(page: Path, demo: Demo, answers: Path) -> str:
    lines = ["set -euo pipefail"]
    for number, (block, _) in enumerate(steps(page)):
        lines += [f"exec >{answers / str(number)}", block.text]
    return "\n".join(lines).replace(API, demo.api).replace(COUCHDB, demo.couchdb)


def fresh_checkout(place: Path) -> Path:
    """A folder with the files that the commands of the pages use."""
    shutil.copytree(DOCS / "pictures", place / "docs/pictures")
    (place / ".venv").mkdir()
    (place / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return place


async def differences(page: Path, demo: Demo, place: Path) -> list[str]:
    """Run the page; the differences from the printed answers."""
    answers = place / "answers"
    answers.mkdir()
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script(page, demo, answers)),
        cwd=fresh_checkout(place),
        env=without_settings(),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        _, complaints = await process.communicate()
    assert (process.returncode, complaints.decode()) == (0, "")
    printed = Printed()
    return [
        f"{name(page)}:{block.line}: {difference}"
        for number, (block, answer) in enumerate(steps(page))
        for given in [(answers / str(number)).read_text(encoding="utf-8")]
        for difference in (
            printed.differences(answer.language, answer.text, given)
            if answer is not None
            else [f"prints what the page does not: {given!r}"] * bool(given)
        )
    ]


@pytest.fixture
def tools(need: Need) -> None:
    for tool in ("bash", "cmp", "curl", "grep", "python3", "sed"):
        need(tool, shutil.which(tool))


@pytest.mark.timeout(420)
async def test_readme_and_tutorial_commands_print_documented_answers_twice(
    tools: None, embedded_cache: Path, tmp_path: Path
) -> None:
    async with running_demo(tmp_path / "data", embedded_cache) as demo:
        for time in ("first", "second"):
            for page in (README, TUTORIAL):
                place = tmp_path / time / page.stem
                place.mkdir(parents=True)
                assert await differences(page, demo, place) == []


def test_readme_begins_with_demo_and_test_scripts() -> None:
    first = fences(README)[0]
    assert first.text.split() == ["./scripts/demo", "./scripts/test"]
    assert all((CHECKOUT / command).stat().st_mode & 0o111 for command in first.text.split())


@pytest.mark.parametrize(
    "route",
    [
        "PUT $API/user_auth",
        "GET $API/accounts/$ACCOUNT/apps_store",
        "GET $API/accounts/$ACCOUNT/apps_store/$APP",
        "PUT $API/accounts/$CUSTOMER/apps_store/$APP",
        "POST $API/accounts/$CUSTOMER/apps_store/$APP",
        "DELETE $API/accounts/$CUSTOMER/apps_store/$APP",
        "GET $API/accounts/$ACCOUNT/apps_store/$APP/icon",
        "GET $API/accounts/$ACCOUNT/apps_store/$APP/screenshot/0",
        "GET $API/apps_store/$APP/icon",
        "GET $API/apps_store/$APP/screenshot/0",
        "GET $API/accounts/$CUSTOMER/apps_store/blacklist",
        "POST $API/accounts/$CUSTOMER/apps_store/blacklist",
    ],
)
def test_tutorial_has_example_of_each_app_store_route(route: str) -> None:
    method, address = route.split()
    commands = [each for block, _ in steps(TUTORIAL) for each in block.text.replace("\\\n", " ").split("curl ")[1:]]
    asked = [command for command in commands if f"{address} " in command.translate(str.maketrans('")?|\n', "     "))]
    assert any((f"-X {method} " in command) or (method == "GET" and "-X " not in command) for command in asked)


def test_pages_have_addresses_that_script_replaces() -> None:
    assert API in text(README)
    assert API in text(TUTORIAL)
    assert COUCHDB in text(TUTORIAL)


def test_readme_is_short_and_tells_five_curl_commands() -> None:
    assert len(text(README).splitlines()) < 120
    assert sum(block.text.count("curl ") for block, _ in steps(README)) == 5
