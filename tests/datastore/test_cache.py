"""The cache's rules, with answers that a test gives one by one."""

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from crossbar_appstore.datastore.kinds import Key, Kind
from crossbar_appstore.datastore.statistics import Counters

from crossbar_appstore.datastore import cache as cache_module
from crossbar_appstore.datastore.cache import Cache, Limits
from crossbar_appstore.datastore.errors import Fault, Misconfigured, TimedOut, Troubled, Unreachable
from crossbar_appstore.datastore.freshness import WriteCounters, row_of

KEY: Key = ("accounts", "x")


@dataclass
class Answer:
    text: str
    stale: bool = False


@dataclass
class Source(Kind[Answer]):
    """Answers what it is told to; counts the questions; waits while ``gate`` is closed."""

    text: str = "one"
    trouble: Troubled | None = None
    asked: list[Key] = field(default_factory=list)
    together: list[list[str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def row(self, key: Key) -> int:
        return row_of(*key)

    async def fetch(self, key: Key) -> Answer:
        self.asked.append(key)
        text, trouble = self.text, self.trouble
        await self.gate.wait()
        if trouble is not None:
            raise trouble
        return Answer(text)

    async def fetch_many(self, keys: Sequence[Key]) -> Sequence[Answer]:
        self.together.append([what for _, what in keys])
        return await super().fetch_many(keys)

    def is_same(self, old: Answer, new: Answer) -> bool:
        return old.text == new.text

    def as_stale(self, answer: Answer) -> Answer:
        return Answer(answer.text, stale=True)

    def pack(self, answer: Answer) -> bytes:
        return answer.text.encode()

    def unpack(self, packed: bytes) -> Answer:
        return Answer(packed.decode())


@dataclass
class Ages:
    seconds: float = 1000.0

    def limit(self, asked_at: float) -> float:
        return self.seconds


@dataclass
class Bench:
    """A cache with everything around it."""

    source: Source = field(default_factory=Source)
    board: WriteCounters = field(default_factory=WriteCounters.alone)
    outside: WriteCounters = field(default_factory=WriteCounters.alone)
    ages: Ages = field(default_factory=Ages)
    counters: Counters = field(default_factory=Counters)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.cache = Cache(self.source, self.board, self.outside, self.ages, self.counters, self.limits)

    def write(self, text: str) -> None:
        self.source.text = text
        self.board.count_up(row_of(*KEY))


async def test_an_answer_is_asked_for_once() -> None:
    bench = Bench()
    first = await bench.cache.get(KEY)
    assert await bench.cache.get(KEY) is first
    assert bench.cache.peek(KEY) is first
    assert bench.source.asked == [KEY]
    assert (bench.counters.reads, bench.counters.hits) == (1, 2)


async def test_a_thousand_askers_share_one_read() -> None:
    bench = Bench()
    bench.source.gate.clear()
    askers = [asyncio.ensure_future(bench.cache.get(KEY)) for _ in range(1000)]
    await _settle()
    bench.source.gate.set()
    answers = await asyncio.gather(*askers)
    assert bench.source.asked == [KEY]
    assert all(answer is answers[0] for answer in answers)


async def test_one_asker_who_leaves_does_not_spoil_it_for_the_others() -> None:
    bench = Bench()
    bench.source.gate.clear()
    first, second = (asyncio.ensure_future(bench.cache.get(KEY)) for _ in range(2))
    await _settle()
    first.cancel()
    await _settle()
    bench.source.gate.set()
    assert (await second).text == "one"
    assert first.cancelled()
    assert bench.source.asked == [KEY]


async def test_a_failed_read_that_nobody_waits_for_is_no_warning() -> None:
    bench = Bench()
    bench.source.gate.clear()
    bench.source.trouble = Unreachable("away")
    asker = asyncio.ensure_future(bench.cache.get(KEY))
    await _settle()
    asker.cancel()
    bench.source.gate.set()
    await asyncio.sleep(0.01)
    assert asker.cancelled()


async def test_a_write_is_seen_at_once() -> None:
    bench = Bench()
    await bench.cache.get(KEY)
    bench.write("two")
    assert bench.cache.peek(KEY) is None
    assert (await bench.cache.get(KEY)).text == "two"
    assert bench.counters.refetches == 1


async def test_a_read_that_began_before_a_write_is_not_given_to_who_asks_after_it() -> None:
    bench = Bench()
    bench.source.gate.clear()
    early = asyncio.ensure_future(bench.cache.get(KEY))
    await _settle()
    bench.write("two")
    late = asyncio.ensure_future(bench.cache.get(KEY))
    await _settle()
    bench.source.gate.set()
    assert (await early).text == "one"
    assert (await late).text == "two"
    known = bench.cache.peek(KEY)
    assert known is not None
    assert known.text == "two"


async def test_an_older_read_that_ends_later_does_not_replace_a_newer_one() -> None:
    bench = Bench()
    bench.source.gate.clear()
    early = asyncio.ensure_future(bench.cache.get(KEY))
    await _settle()
    old_gate, bench.source.gate = bench.source.gate, asyncio.Event()
    bench.source.gate.set()
    bench.write("two")
    assert (await bench.cache.get(KEY)).text == "two"
    old_gate.set()
    assert (await early).text == "one"
    known = bench.cache.peek(KEY)
    assert known is not None
    assert known.text == "two"


async def test_what_a_feed_names_is_asked_again() -> None:
    bench = Bench()
    await bench.cache.get(KEY)
    bench.outside.count_up(row_of("accounts", ""))
    bench.source.text = "two"
    assert (await bench.cache.get(KEY)).text == "two"
    bench.outside.count_up(row_of("other", ""))
    assert bench.cache.peek(KEY) is not None


async def test_an_old_answer_is_asked_again_and_the_same_one_kept() -> None:
    bench = Bench()
    first = await bench.cache.get(KEY)
    bench.ages.seconds = -1
    assert bench.cache.peek(KEY) is None
    assert await bench.cache.get(KEY) is first
    assert bench.counters.unchanged == 1
    bench.source.text = "two"
    assert (await bench.cache.get(KEY)).text == "two"


async def test_an_answer_in_use_is_read_again_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "EARLIEST", -1.0)
    monkeypatch.setattr(cache_module, "LATEST", -1.0)
    bench = Bench()
    await bench.cache.get(KEY)
    bench.source.gate.clear()
    assert bench.cache.peek(KEY) is not None
    assert bench.cache.peek(KEY) is not None
    await _settle()
    assert len(bench.source.asked) == 2
    bench.source.gate.set()
    await bench.cache.close()


async def test_answers_in_use_are_read_again_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [(f"database-{number}", "x") for number in range(3)]
    bench = Bench()
    for key in keys:
        await bench.cache.get(key)
    monkeypatch.setattr(cache_module, "EARLIEST", -1.0)
    monkeypatch.setattr(cache_module, "LATEST", -1.0)
    bench.source.gate.clear()
    for key in keys:
        assert bench.cache.peek(key) is not None
    await _settle()
    assert bench.source.asked[3:] == keys[:1]
    # Who waits for an answer does not stand in line for it.
    bench.board.count_up(row_of(*keys[2]))
    waiting = [asyncio.create_task(bench.cache.get(key)) for key in keys[2:]]
    await _settle()
    assert bench.source.asked[3:] == [keys[0], keys[2]]
    bench.source.gate.set()
    await asyncio.gather(*waiting)
    await _settle()
    assert bench.source.asked[3:] == [keys[0], keys[2], keys[1]]
    await bench.cache.close()


async def test_answers_of_one_database_are_read_again_together(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [("accounts", "0"), ("services", "1"), ("accounts", "2"), ("accounts", "3")]
    bench = Bench()
    for key in keys:
        await bench.cache.get(key)
    monkeypatch.setattr(cache_module, "EARLIEST", -1.0)
    monkeypatch.setattr(cache_module, "LATEST", -1.0)
    monkeypatch.setattr(cache_module, "_TOGETHER", 2)
    for key in keys:
        assert bench.cache.peek(key) is not None
    for _ in range(3):
        await _settle()
    assert bench.source.together == [["0", "2"]]
    assert bench.source.asked[4:] == [keys[0], keys[2], keys[3], keys[1]]
    await bench.cache.close()


async def test_one_answer_that_is_at_fault_does_not_spoil_those_that_were_read_with_it() -> None:
    class Spoiled(Source):
        async def fetch_many(self, keys: Sequence[Key]) -> list[Answer]:
            raise Fault("one of them")

    bench = Bench(Spoiled())
    assert (await bench.cache.get(KEY, [("accounts", "y")])).text == "one"
    assert bench.cache.peek(("accounts", "y")) == Answer("one")
    assert bench.source.asked == [KEY, ("accounts", "y")]


async def test_a_version_stays_as_long_as_the_answer_does() -> None:
    bench = Bench(limits=Limits(unpacked=1))
    name = await named(bench, KEY)
    version = bench.cache.version([name])
    await bench.cache.refresh(KEY)
    assert bench.cache.version([name]) == version
    # Another one is in use, so this one is no longer unpacked.
    await bench.cache.get(("accounts", "y"))
    await bench.cache.refresh(KEY)
    assert bench.cache.version([name]) == version
    bench.write("two")
    assert bench.cache.version([name]) is None
    await bench.cache.get(KEY)
    changed = bench.cache.version([name])
    assert changed is not None
    assert version is not None
    assert changed > version
    # The same as before is another answer than the one in between.
    bench.write("one")
    await bench.cache.get(KEY)
    assert (bench.cache.version([name]) or 0) > changed


async def test_what_was_dropped_never_has_its_old_version_again() -> None:
    bench = Bench(limits=Limits(entries=1))
    name = await named(bench, KEY)
    version = bench.cache.version([name])
    await bench.cache.get(("accounts", "y"))
    assert bench.cache.version([name]) is None
    assert bench.cache.versioned(KEY) is None
    await bench.cache.get(KEY)
    assert bench.cache.version([name]) != version


async def test_versions_of_several_answers_are_added_up() -> None:
    bench = Bench()
    names = [await named(bench, key) for key in (KEY, ("accounts", "y"), ("services", "x"))]
    versions = [bench.cache.version([name]) or 0 for name in names]
    assert len(set(versions)) == 3
    assert bench.cache.version(names) == sum(versions)
    assert bench.cache.version([]) == 0
    bench.write("two")
    assert bench.cache.version(names) is None


async def test_what_is_doubtful_is_asked_again_database_by_database() -> None:
    bench = Bench()
    keys = [KEY, ("accounts", "y"), ("services", "x"), ("accounts", "z")]
    names = [await named(bench, key) for key in keys]
    bench.source.asked.clear()
    await asyncio.gather(*bench.cache.asking(names))
    assert bench.source.asked == []
    for key in keys[1:]:
        bench.board.count_up(row_of(*key))
    await asyncio.gather(*bench.cache.asking(names))
    assert bench.source.together == [["y", "z"]]
    assert sorted(bench.source.asked) == sorted(keys[1:])
    assert bench.cache.version(names) is not None


async def test_who_asks_again_waits_for_what_is_being_read() -> None:
    bench = Bench()
    name = await named(bench, KEY)
    bench.write("two")
    bench.source.gate.clear()
    reading = asyncio.ensure_future(bench.cache.get(KEY))
    await _settle()
    asking = asyncio.gather(*bench.cache.asking([name]))
    await _settle()
    bench.source.gate.set()
    await asking
    assert (await reading).text == "two"
    assert bench.cache.version([name]) is not None
    assert bench.source.asked == [KEY, KEY]


async def named(bench: Bench, key: Key) -> str:
    """The cache's name of a key, whose answer is known from now on."""
    await bench.cache.get(key)
    found = bench.cache.versioned(key)
    assert found is not None
    return found.name


@pytest.mark.parametrize("trouble", [Unreachable("x"), TimedOut("x"), Misconfigured("x"), Fault("x")])
async def test_what_is_known_is_given_marked_stale_when_couchdb_does_not_answer(trouble: Troubled) -> None:
    bench = Bench()
    await bench.cache.get(KEY)
    bench.write("two")
    bench.source.trouble = trouble
    assert await bench.cache.get(KEY) == Answer("one", stale=True)
    assert bench.counters.stale_answers == 1
    assert bench.cache.away is not isinstance(trouble, Fault)


async def test_what_was_never_known_stays_an_error() -> None:
    bench = Bench()
    bench.source.trouble = Unreachable("away")
    with pytest.raises(Unreachable):
        await bench.cache.get(KEY)
    bench.source.trouble = None
    assert (await bench.cache.get(KEY)).text == "one"


async def test_while_couchdb_is_away_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "PROBE_PAUSE", 0.0)
    bench = Bench()
    await bench.cache.get(KEY)
    bench.ages.seconds = -1
    bench.source.trouble = Unreachable("away")
    await bench.cache.get(KEY)
    bench.source.gate.clear()
    for _ in range(3):
        assert (await bench.cache.get(KEY)).stale
    await _settle()
    # One read finds out whether it is back.
    assert len(bench.source.asked) == 3
    bench.source.trouble = None
    bench.source.gate.set()
    await asyncio.sleep(0.01)
    bench.source.text = "two"
    while (await bench.cache.get(KEY)).stale:
        await asyncio.sleep(0.01)
    assert (await bench.cache.get(KEY)).text == "two"
    assert not bench.cache.away


async def test_couchdb_is_not_asked_all_the_time_while_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "PROBE_PAUSE", 1000.0)
    bench = Bench()
    await bench.cache.get(KEY)
    bench.ages.seconds = -1
    bench.source.trouble = Unreachable("away")
    for _ in range(10):
        assert (await bench.cache.get(KEY)).stale
        await _settle()
    assert len(bench.source.asked) == 2


async def test_a_slow_couchdb_is_waited_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "PATIENCE", 0.01)
    bench = Bench()
    await bench.cache.get(KEY)
    bench.write("two")
    bench.source.gate.clear()
    assert await bench.cache.get(KEY) == Answer("one", stale=True)
    assert bench.cache.away
    bench.source.gate.set()
    while bench.cache.peek(KEY) is None:
        await asyncio.sleep(0.01)
    assert await bench.cache.get(KEY) == Answer("two")
    assert not bench.cache.away


async def test_what_we_wrote_is_known_without_a_read() -> None:
    bench = Bench()
    before = bench.cache.stamp(KEY)
    bench.write("mine")
    bench.cache.put_own(KEY, Answer("mine"), before)
    known = bench.cache.peek(KEY)
    assert known is not None
    assert known.text == "mine"
    assert bench.source.asked == []


async def test_what_we_wrote_is_not_believed_if_somebody_else_wrote_meanwhile() -> None:
    bench = Bench()
    before = bench.cache.stamp(KEY)
    bench.write("theirs")
    bench.write("mine")
    bench.source.text = "merged"
    bench.cache.put_own(KEY, Answer("mine"), before)
    assert (await bench.cache.get(KEY)).text == "merged"


async def test_a_refresh_asks_whatever_is_known() -> None:
    bench = Bench()
    first = await bench.cache.get(KEY)
    assert await bench.cache.refresh(KEY) is first
    assert len(bench.source.asked) == 2
    bench.source.trouble = Unreachable("away")
    with pytest.raises(Unreachable):
        await bench.cache.refresh(KEY)


async def test_the_least_recently_used_are_dropped() -> None:
    bench = Bench(limits=Limits(entries=3))
    for doc_id in "abc":
        await bench.cache.get(("accounts", doc_id))
    assert bench.cache.peek(("accounts", "a")) is not None
    await bench.cache.get(("accounts", "d"))
    assert [bench.cache.peek(("accounts", doc_id)) is not None for doc_id in "abcd"] == [True, False, True, True]
    assert len(bench.cache) == 3


async def test_where_there_are_very_many_the_oldest_go_together() -> None:
    bench = Bench(limits=Limits(entries=640))
    keys = [("accounts", str(number)) for number in range(641)]
    for key in keys[:640]:
        await bench.cache.get(key)
    assert bench.cache.peek(keys[0]) is not None
    await bench.cache.get(keys[640])
    assert len(bench.cache) == 631
    assert [bench.cache.peek(key) is None for key in keys] == [1 <= number <= 10 for number in range(641)]


async def test_what_is_known_is_nothing_for_the_garbage_collector_to_visit() -> None:
    bench = Bench(limits=Limits(unpacked=10))
    for number in range(300):
        await bench.cache.get(("accounts", str(number)))
    before = _visited()
    for number in range(300, 1300):
        await bench.cache.get(("accounts", str(number)))
    bench.source.asked.clear()
    assert len(bench.cache) == 1300
    assert _visited() - before < 100


def _visited() -> int:
    """How many objects the garbage collector visits: it finds out by and by which tuples it need not."""
    for _ in range(3):
        gc.collect()
    return len(gc.get_objects())


async def test_the_packed_bytes_are_bounded() -> None:
    bench = Bench(limits=Limits(packed_bytes=10))
    bench.source.text = "12345"
    for doc_id in "abcd":
        await bench.cache.get(("accounts", doc_id))
    assert (len(bench.cache), bench.cache.packed_bytes) == (2, 10)
    bench.source.text = "much more than the limit"
    await bench.cache.get(KEY)
    assert len(bench.cache) == 1
    assert bench.cache.packed_bytes == len(bench.source.text)


async def test_an_answer_that_was_packed_is_given_again() -> None:
    bench = Bench(limits=Limits(unpacked=1))
    first = await bench.cache.get(KEY)
    await bench.cache.get(("accounts", "y"))
    again = bench.cache.peek(KEY)
    assert again == first
    assert again is not first
    assert bench.cache.peek(KEY) is again


async def test_keys_with_line_breaks_are_kept_apart() -> None:
    bench = Bench()
    await bench.cache.get(("accounts\nx", "y"))
    assert bench.cache.peek(("accounts", "x\ny")) is None
    bench.source.text = "two"
    assert (await bench.cache.get(("accounts", "x\ny"))).text == "two"


async def test_closing_ends_what_is_under_way() -> None:
    bench = Bench()
    bench.source.gate.clear()
    asker = asyncio.ensure_future(bench.cache.get(KEY))
    await _settle()
    await bench.cache.close()
    with pytest.raises(asyncio.CancelledError):
        await asker


async def _settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(5):
        await asyncio.sleep(0)
