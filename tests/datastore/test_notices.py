import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest
from crossbar_appstore.datastore.notices import ROWS, WriteCounters, row_of, size
from hypothesis import given
from hypothesis import strategies as st


def test_a_write_of_any_worker_shows_in_its_row_only() -> None:
    board = WriteCounters.shared(3)
    workers = [board.for_worker(column) for column in range(3)]
    before = [board.writes(row) for row in (7, 8)]
    for worker in workers:
        worker.count_up(7)
    assert all(worker.writes(7) == before[0] + 3 for worker in workers)
    assert all(worker.writes(8) == before[1] for worker in workers)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=30))
def test_the_same_number_means_that_nobody_wrote(writes: list[tuple[int, int]]) -> None:
    board = WriteCounters.shared(4)
    seen = {row: {board.writes(row)} for row in range(3)}
    for column, row in writes:
        board.for_worker(column).count_up(row)
        assert board.writes(row) not in seen[row]
        seen[row].add(board.writes(row))


FORKING = """
import os
from crossbar_appstore.datastore.freshness import WriteCounters

board = WriteCounters.shared(2)
child = os.fork()
if child == 0:
    board.for_worker(1).count_up(WriteCounters.CATALOGUE)
    os._exit(0)
os.waitpid(child, 0)
print(board.writes(WriteCounters.CATALOGUE))
"""


def test_forked_processes_see_each_others_writes() -> None:
    # In a process of its own: this one has threads, which do not go together with forking.
    done = subprocess.run([sys.executable, "-c", FORKING], check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"


def _count_up_in_file(path: Path, column: int) -> None:
    WriteCounters.in_file(path, 2).for_worker(column).count_up(row_of("accounts", "x"))


def test_processes_that_are_not_forked_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "board"
    board = WriteCounters.in_file(path, 2)
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_count_up_in_file, args=(path, 1))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert board.writes(row_of("accounts", "x")) == 1
    assert path.stat().st_size == size(2)


def test_a_worker_that_replaces_another_goes_on_counting() -> None:
    board = WriteCounters.shared(2)
    board.for_worker(1).count_up(5)
    board.for_worker(1).count_up(5)
    assert board.writes(5) == 2


@pytest.mark.parametrize("column", [-1, 2])
def test_a_worker_has_a_column(column: int) -> None:
    with pytest.raises(ValueError, match="column"):
        WriteCounters.shared(2).for_worker(column)


@given(st.text(), st.text())
def test_every_document_has_a_row_and_the_catalogue_one_of_its_own(database: str, doc_id: str) -> None:
    try:
        (database + doc_id).encode()
    except UnicodeEncodeError:
        return
    assert 0 <= row_of(database, doc_id) < ROWS == WriteCounters.CATALOGUE


def test_a_file_that_is_there_is_used_as_it_is(tmp_path: Path) -> None:
    first = WriteCounters.in_file(tmp_path / "board", 1)
    first.count_up(3)
    assert WriteCounters.in_file(tmp_path / "board", 1).writes(3) == 1


def test_the_board_counts_all_writes() -> None:
    board = WriteCounters.shared(2)
    board.for_worker(0).count_up(1)
    board.for_worker(1).count_up(WriteCounters.CATALOGUE)
    assert sum(board.totals) == 2


def test_a_board_alone_has_all_rows() -> None:
    board = WriteCounters.alone()
    board.count_up(0)
    board.count_up(WriteCounters.CATALOGUE)
    assert (board.writes(0), board.writes(1), board.writes(WriteCounters.CATALOGUE)) == (1, 0, 1)
