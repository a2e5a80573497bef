import time

from crossbar_appstore.kazoo.time import gregorian_seconds, unix_seconds


def test_gregorian_seconds_count_from_year_zero() -> None:
    assert gregorian_seconds(0) == 62167219200
    assert gregorian_seconds(1709251200.9) == 63876470400


def test_the_present_is_the_default() -> None:
    before = int(time.time())
    assert unix_seconds(gregorian_seconds()) in range(before, int(time.time()) + 1)
