import pytest

from crossbar_appstore.datastore import moments as moments_module
from crossbar_appstore.datastore.moments import Moments
from crossbar_appstore.datastore.freshness import WriteCounters
from crossbar_appstore.memo import Memo


@pytest.fixture
def boards() -> tuple[WriteCounters, WriteCounters]:
    return WriteCounters.shared(2), WriteCounters.alone()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments_module, "HOLDS_SECONDS", 1000.0)


def test_a_value_holds_until_any_worker_or_feed_tells_of_a_write(boards: tuple[WriteCounters, WriteCounters]) -> None:
    own, outside = boards
    moments = Moments(own, outside)
    memo: Memo[str, int] = Memo(moments)
    assert memo.get("x") is None
    for board in (own.for_worker(1), own.for_worker(0), outside):
        memo.put("x", 7, moments.now())
        assert memo.get("x") == 7
        board.count_up(3)
        assert memo.get("x") is None


def test_a_value_that_was_made_before_a_write_is_not_believed(boards: tuple[WriteCounters, WriteCounters]) -> None:
    moments = Moments(*boards)
    memo: Memo[str, int] = Memo(moments)
    before = moments.now()
    boards[0].count_up(0)
    memo.put("x", 7, before)
    assert memo.get("x") is None


def test_a_moment_passes(boards: tuple[WriteCounters, WriteCounters], monkeypatch: pytest.MonkeyPatch) -> None:
    moments = Moments(*boards)
    moment = moments.now()
    assert moments.now() == moment
    monkeypatch.setattr(moments_module, "HOLDS_SECONDS", 0.0)
    boards[0].count_up(0)
    assert len({moments.now(), moments.now(), moment}) == 3


def test_the_memory_is_bounded(boards: tuple[WriteCounters, WriteCounters]) -> None:
    moments = Moments(*boards)
    memo: Memo[int, int] = Memo(moments, most=2)
    for number in (1, 2, 2, 3):
        memo.put(number, number, moments.now())
    assert [memo.get(number) for number in (1, 2, 3)] == [None, 2, 3]


def test_nothing_is_kept_beyond_its_moment(boards: tuple[WriteCounters, WriteCounters]) -> None:
    moments = Moments(*boards)
    memo: Memo[int, int] = Memo(moments)
    memo.put(1, 1, moments.now())
    boards[0].count_up(0)
    memo.put(2, 2, moments.now())
    assert (memo.get(1), memo.get(2), len(memo)) == (None, 2, 1)
