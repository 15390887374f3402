"""Prompts and answers lie in the data folder: whoever makes it, makes it its owner's alone."""

from pathlib import Path

from proxy.alone import alone
from proxy.stores.history import open_history
from proxy.stores.log import open_log


def test_the_log_makes_a_folder_of_ones_own(tmp_path: Path):
    log = open_log(tmp_path / "data")
    log.head()
    log.close()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_the_history_makes_a_folder_of_ones_own(tmp_path: Path):
    history = open_history(tmp_path / "data")
    history.cursor()
    history.close()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_whoever_locks_it_first_makes_it_the_same(tmp_path: Path):
    with alone(tmp_path / "data", "worker"):
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_there_stays_as_its_owner_made_it(tmp_path: Path):
    """A group may be meant to read it."""
    (tmp_path / "data").mkdir(mode=0o750)
    log = open_log(tmp_path / "data")
    log.head()
    log.close()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o750
