"""docs/framework.md: the example endpoint on the page runs and answers as documented."""

import json
import re
import types
from pathlib import Path
from typing import Any

import pytest

from crossbar_appstore.crossbar.resource import Resource
from tests.crossbar.conftest import Start
from tests.crossbar.sample import OWN, Accounts
from tests.crossbar.wire import Answer, Wire

PAGE = (Path(__file__).parents[2] / "docs" / "framework.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def fences(language: str) -> list[str]:
    return [text for name, text in FENCE.findall(PAGE) if name == language]


@pytest.fixture
async def ask(start: Start) -> Wire:
    module, line = fences("python")
    written = types.ModuleType("stickers")
    exec(compile(module, "docs/framework.md", "exec"), written.__dict__)
    wired: tuple[Resource] = eval(line, written.__dict__)
    return await start(Accounts(), *wired)


async def test_framework_page_example_answers_as_documented(ask: Wire) -> None:
    messages = [text.replace("{ACCOUNT_ID}", OWN).replace("{TOKEN}", "own") for text in fences("http")]
    assert len(messages) >= 10
    for request, reply in zip(messages[::2], messages[1::2], strict=True):
        check(await send(ask, request), reply)


def parts(message: str) -> tuple[str, dict[str, str], str]:
    head, _, body = message.partition("\n\n")
    first, *lines = head.strip().split("\n")
    return first, dict(line.split(": ", 1) for line in lines), body.strip()


async def send(ask: Wire, request: str) -> Answer:
    first, headers, body = parts(request)
    method, path, _ = first.split(" ")
    return await ask(method, path, headers, body.encode() or None)


def check(answer: Answer, reply: str) -> None:
    first, headers, body = parts(reply)
    assert answer.status == int(first.split(" ")[1])
    assert headers.items() <= {name.title(): value for name, value in answer.headers.items()}.items()
    shown: dict[str, Any] = json.loads(body) if body else {}
    envelope = answer.json if answer.body else {}
    assert shown == {name: envelope[name] for name in envelope if name in ("data", "error", "message", "status")}
