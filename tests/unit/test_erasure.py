"""Erasing a monitor takes what it had when that was asked, in every table, and nothing else."""

from contextlib import closing
from pathlib import Path

from proxy.stores.canaries import Body, Plan, Round, plan, read_plan, read_rounds, write_round
from proxy.stores.erasure import erase_monitor
from proxy.stores.history import open_history
from proxy.stores.log import open_log
from tests.unit.test_stores import TOTALS, entry


def test_entries_that_came_later_stay(tmp_path: Path):
    with closing(open_log(tmp_path)) as log:
        log.append([entry("before")], TOTALS)
        asked = log.last_given()
        log.append([entry("after")], TOTALS)
        (name,) = {one.monitor or one.model for one in log.after(0, 10)}
        assert log.erase_monitor(name, [name], asked)
        assert [one.id for one in log.after(0, 10)] == ["after"]
        assert not log.erase_monitor(name, [name], asked)


def test_a_canarys_rounds_and_plan_go_with_its_monitor(tmp_path: Path):
    with closing(open_history(tmp_path)) as stored:
        for canary in ("daily", "hourly"):
            body = Body(digest="d", model="m", prompts=1)
            write_round(stored.engine, Round(canary=canary, number=1, at=1.0, status="reference", body=body))
            plan(stored.engine, canary, reference_from=1)
            stored.tell("canary", {"canary": canary, "round": 1})
        erase_monitor(stored.engine, "canary:daily")
        assert (read_rounds(stored.engine, "daily"), read_plan(stored.engine, "daily")) == ([], Plan())
        assert len(read_rounds(stored.engine, "hourly")) == 1
        assert read_plan(stored.engine, "hourly").reference_from == 1
        assert ["hourly" in body for _, _, body in stored.events(0, 10)] == [True]
