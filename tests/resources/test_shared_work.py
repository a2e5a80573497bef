"""Work that is asked for by several at the same time."""

import asyncio
from typing import Any

import pytest

from crossbar_appstore.resources.shared_work import SharedWork


@pytest.fixture
async def unnoticed() -> list[dict[str, Any]]:
    """What the event loop found that nobody looked at."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


class Counted:
    """Work that waits for its sign; how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.sign = asyncio.Event()

    async def work(self) -> int:
        self.begun += 1
        await self.sign.wait()
        return self.begun

    async def fail(self) -> int:
        await self.work()
        raise RuntimeError("no")


async def test_it_is_done_once_for_all_who_ask_meanwhile() -> None:
    shared, counted = SharedWork[str, int](), Counted()
    asking = [asyncio.ensure_future(shared.result(key, counted.work)) for key in ("a", "a", "b")]
    await asyncio.sleep(0)
    assert "a" in shared
    await asyncio.sleep(0)
    counted.sign.set()
    assert len(await asyncio.gather(*asking)) == 3
    assert counted.begun == 2
    assert "a" not in shared
    assert await shared.result("a", counted.work) == 3


async def test_whoever_asked_first_may_go() -> None:
    shared, counted = SharedWork[str, int](), Counted()
    first, second = [asyncio.ensure_future(shared.result("a", counted.work)) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    counted.sign.set()
    assert await second == 1


async def test_a_failure_is_everybodys_and_not_remembered(unnoticed: list[dict[str, Any]]) -> None:
    shared, counted = SharedWork[str, int](), Counted()
    asking = [asyncio.ensure_future(shared.result("a", counted.fail)) for _ in range(2)]
    counted.sign.set()
    assert [str(error) for error in await asyncio.gather(*asking, return_exceptions=True)] == ["no", "no"]
    assert await shared.result("a", counted.work) == 2
    assert not unnoticed


async def test_a_failure_that_nobody_waits_for_is_no_surprise(unnoticed: list[dict[str, Any]]) -> None:
    shared, counted = SharedWork[str, int](), Counted()
    asking = asyncio.ensure_future(shared.result("a", counted.fail))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.sleep(0)
    counted.sign.set()
    while "a" in shared:
        await asyncio.sleep(0)
    del asking
    await asyncio.sleep(0)
    assert not unnoticed
