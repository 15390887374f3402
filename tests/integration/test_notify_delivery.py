"""What is written is delivered once, in order, in the receiver's own format; faults are repeated, refusals are not.

The history is a real one, and the receivers are real servers on this machine; the clock is an argument.
"""

import hashlib
import hmac
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from drift.records import Report, Severity
from proxy.notify.book import read
from proxy.notify.desk import Desk
from proxy.notify.sending import pause, retry_after
from proxy.notify.settings import Notify
from proxy.settings import History as HistorySettings
from proxy.settings import Server, Settings
from proxy.stores.acknowledgements import Acknowledgement, write_acknowledgement
from proxy.stores.counters import read_counters
from proxy.stores.history import History, MonitorRow, Pair, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import open_log
from proxy.stores.mutes import Mute, delete_mute, write_mute
from tests.conftest import free_port
from tests.integration.receivers import OK, Receiver

HUSH = "T0000-B0000-hush"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Office:
    """A desk over a history of its own, in which a test writes what the worker would."""

    def __init__(self, folder: Path, *channels: Notify, environ: dict[str, str] | None = None):
        self.folder, self.channels, self.environ = folder, channels, environ or {}
        self.clock = Clock()
        # Nothing listens there: what only the server tells stays unknown.
        self.settings = Settings(notify=channels, server=Server(port=free_port()))
        self.history: History = open_history(folder)
        self.log = open_log(folder)
        self.ledger = Ledger(self.history, HistorySettings(), ring=2_000)
        self.desk = self.begin()

    def begin(self) -> Desk:
        """A desk as after a restart."""
        self.desk = Desk(self.settings, self.history, self.log, environ=self.environ, clock=self.clock)
        self.desk.start()
        return self.desk

    def report(self, severity: Severity, monitor: str = "support", baseline: str = "b1") -> None:
        """A monitor's next report."""
        row = MonitorRow(
            name=monitor,
            created_at=0.0,
            last_scored_at=1.0,
            model="m",
            response_model="m",
            received=200,
            observed=100,
            baseline_id=baseline,
            baseline_at=1.0,
        )
        self.ledger.commit(Changes(monitors=[row], reports=[report(monitor, severity, self.clock(), baseline)]))

    def work(self, seconds: float = 0.0) -> None:
        """What the scheduler does, so many seconds later."""
        self.clock.now += seconds
        self.desk.look()
        for channel in self.channels:
            self.desk.deliver(channel)

    def counted(self, result: str, channel: str = "c") -> int:
        counted = read_counters(self.history.engine)["notifications"]
        return counted[(("channel", channel), ("result", result))]

    @property
    def waiting(self) -> int:
        return len(read(self.history.engine)[1])

    def close(self) -> None:
        self.history.close()
        self.log.close()


def report(monitor: str, severity: Severity, at: float, baseline: str) -> Report:
    ratio = {0: 0.4, 1: 1.2, 2: 2.4, 3: 5.5}[severity.rank]
    return Report(
        monitor=monitor,
        at=at,
        baseline_id=baseline,
        encoder="e",
        baseline_samples=100,
        observed=100,
        window_samples=50,
        detectors=(),
        mmd2=0.1,
        centroid_distance=0.1,
        centroid_mmd2=0.1,
        threshold=0.05,
        detector="mmd_50",
        ratio=ratio,
        health_index=100 / (1 + ratio**2),
        severity=severity,
        provisional=False,
        run_length=None,
        calibration_progress=1.0,
        missing=0,
        missing_from="",
        message="",
    )


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    opened: list[Office] = []

    def open_office(*channels: Notify, **more: Any) -> Office:
        opened.append(Office(tmp_path, *channels, **more))
        return opened[-1]

    yield open_office
    for one in opened:
        one.close()


def webhook(receiver: Receiver | None = None, **more: Any) -> Notify:
    url = f"{receiver.url}/hook" if receiver else ""
    return Notify(**({"name": "c", "type": "webhook", "url": url} | more))


def test_a_drift_is_told_and_its_end_under_the_same_key(office: Callable[..., Office], receiver: Receiver):
    one = office(webhook(receiver))
    one.report(Severity.LOW)
    one.work()
    assert receiver.got == []
    one.report(Severity.HIGH)
    one.work(5)
    one.work(5)
    one.report(Severity.LOW)
    one.work(5)
    one.work(300)
    opened, resolved = receiver.at("/hook")
    assert (opened["event"], opened["monitor"], opened["severity"]) == ("opened", "support", "HIGH")
    assert opened["figures"]["health_index"] == 14.8
    assert opened["link"].endswith("/?monitor=support")
    assert (resolved["event"], resolved["severity"]) == ("resolved", None)
    assert opened["dedup_key"] == resolved["dedup_key"]
    assert opened["id"] != resolved["id"]
    assert (one.counted("sent"), one.counted("failed"), one.waiting) == (2, 0, 0)


def test_every_kind_of_receiver_gets_its_own_format(office: Callable[..., Office], receiver: Receiver):
    environ = {"SLACK": f"{receiver.url}/slack", "KEY": "R" * 32, "TEAMS": f"{receiver.url}/teams"}
    one = office(
        Notify(name="s", type="slack", url_env="SLACK"),
        Notify(name="t", type="teams", url_env="TEAMS"),
        Notify(name="p", type="pagerduty", url=f"{receiver.url}/v2/enqueue", routing_key_env="KEY"),
        environ=environ,
    )
    receiver.answers["/v2/enqueue"] = [(202, {}, b'{"status": "success"}')]
    one.report(Severity.CRITICAL)
    one.work()
    (to_slack,), (to_teams,), (to_pagerduty,) = (receiver.at(path) for path in ("/slack", "/teams", "/v2/enqueue"))
    assert to_slack["blocks"][0]["type"] == "header"
    assert to_teams["attachments"][0]["content"]["type"] == "AdaptiveCard"
    assert (to_pagerduty["event_action"], to_pagerduty["payload"]["severity"]) == ("trigger", "critical")
    assert all(got.headers["content-type"] == "application/json" for got in receiver.got)
    one.report(Severity.CRITICAL, baseline="b2")
    one.report(Severity.LOW, baseline="b2")
    one.work(5)
    assert receiver.at("/v2/enqueue")[1]["event_action"] == "resolve"
    assert receiver.at("/v2/enqueue")[1]["dedup_key"] == to_pagerduty["dedup_key"]


def test_a_token_and_a_signature_go_with_it(office: Callable[..., Office], receiver: Receiver):
    one = office(webhook(receiver, token_env="T", signing_key_env="S"), environ={"T": "token", "S": "key"})
    one.report(Severity.HIGH)
    one.work()
    (got,) = receiver.got
    assert got.headers["authorization"] == "Bearer token"
    signed = f"{got.json['id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = "v1," + b64encode(hmac.new(b"key", signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == expected
    assert got.headers["webhook-id"] == got.json["id"]


def test_a_restart_repeats_nothing_and_loses_nothing(office: Callable[..., Office], receiver: Receiver):
    """Told, then restarted: not told again. Not delivered, then restarted: delivered. The end has the same key."""
    receiver.answers["/hook"] = [(503, {}, b""), OK]
    one = office(webhook(receiver))
    one.report(Severity.HIGH)
    one.work()
    assert one.waiting == 1
    one.begin()
    one.work(6)
    one.begin()
    one.work(5)
    assert [body["event"] for body in receiver.at("/hook")] == ["opened", "opened"]
    assert receiver.at("/hook")[0]["id"] == receiver.at("/hook")[1]["id"]
    one.report(Severity.LOW)
    one.work(400)
    one.begin()
    one.work()
    assert receiver.at("/hook")[2]["dedup_key"] == receiver.at("/hook")[0]["dedup_key"]
    assert (one.counted("sent"), one.counted("retried"), one.waiting) == (2, 1, 0)


def test_too_many_requests_waits_as_long_as_the_receiver_asks(office: Callable[..., Office], receiver: Receiver):
    receiver.answers["/hook"] = [(429, {"retry-after": "120"}, b"slow down"), OK]
    one = office(webhook(receiver))
    one.report(Severity.HIGH)
    one.work()
    one.work(119)
    assert len(receiver.got) == 1
    one.work(1)
    assert len(receiver.got) == 2
    assert (one.counted("sent"), one.counted("retried")) == (1, 1)


def test_errors_of_the_receiver_are_repeated_for_a_day(office: Callable[..., Office], receiver: Receiver):
    receiver.answers["/hook"] = [(500, {}, b"oops")] * 100
    one = office(webhook(receiver))
    one.report(Severity.HIGH)
    one.work()
    for _ in range(24):
        one.work(3_601)
    assert len(receiver.got) == 24
    assert (one.counted("retried"), one.counted("expired"), one.counted("sent"), one.waiting) == (24, 1, 0, 0)


def test_pauses_between_attempts_grow_and_are_what_the_receiver_asks_for_where_that_is_more():
    pauses = [pause(attempts, None) for attempts in range(1, 100)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (5.0, 900.0)
    assert pause(1, 120.0) == 120.0
    assert pause(99, 1.0) == 900.0


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_refusal_is_not_repeated_and_keeps_nothing_else_from_being_told(
    office: Callable[..., Office], receiver: Receiver, status: int
):
    receiver.answers["/hook"] = [(status, {}, b"invalid_payload"), OK]
    one = office(webhook(receiver))
    one.report(Severity.HIGH)
    one.report(Severity.HIGH, "sales", "b2")
    one.work()
    one.work(100)
    assert len(receiver.got) == 2
    assert (one.counted("failed"), one.counted("sent"), one.waiting) == (1, 1, 0)


def test_a_redirect_is_not_followed(office: Callable[..., Office], receiver: Receiver):
    receiver.answers["/hook"] = [(307, {"location": f"{receiver.url}/elsewhere?{HUSH}"}, b"")]
    one = office(webhook(receiver))
    one.report(Severity.HIGH)
    one.work()
    assert [got.path for got in receiver.got] == ["/hook"]
    failed = read(one.history.engine)[2].deliveries["c"]
    assert "redirects to 127.0.0.1 (status 307)" in failed.error
    assert HUSH not in failed.error
    assert one.counted("failed") == 1


def test_a_receiver_that_hangs_is_given_up_in_time_and_delays_no_other(
    office: Callable[..., Office], receiver: Receiver
):
    """One never answers: the other has its message while the first is still waited for."""
    hangs = threading.Event()
    receiver.answers["/slow"] = [lambda: (hangs.wait(), OK)[1], OK]
    slow = webhook(None, name="slow", url=f"{receiver.url}/slow", timeout_seconds=1.0)
    one = office(slow, webhook(receiver))
    one.report(Severity.HIGH)
    one.desk.look()
    waits = threading.Thread(target=one.desk.deliver, args=[slow])
    waits.start()
    one.desk.deliver(one.channels[1])
    assert receiver.at("/hook")[0]["event"] == "opened"
    waits.join(30)
    assert not waits.is_alive()
    hangs.set()
    assert read(one.history.engine)[1][0].error == "127.0.0.1 did not answer within 1 s"
    one.work(5)
    assert (one.counted("sent", "slow"), one.counted("sent"), one.waiting) == (1, 1, 0)


def test_an_answer_without_end_is_read_no_further_than_needed(office: Callable[..., Office], receiver: Receiver):
    receiver.answers["/hook"] = [(400, {}, b"x" * 5_000_000)]
    one = office(webhook(receiver))
    one.report(Severity.HIGH)
    one.work()
    assert len(read(one.history.engine)[2].deliveries["c"].error) < 300


def test_an_absent_receiver_is_tried_again_until_it_is_there(office: Callable[..., Office]):
    port = free_port()
    one = office(webhook(None, url=f"http://127.0.0.1:{port}/{HUSH}"))
    one.report(Severity.HIGH)
    one.work()
    one.work(6)
    assert one.counted("retried") == 2
    (queued,) = read(one.history.engine)[1]
    assert queued.error.startswith("127.0.0.1 cannot be reached")
    assert HUSH not in queued.error


def test_a_receiver_over_tls_is_told_only_where_its_certificate_is_trusted(
    office: Callable[..., Office], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with Receiver(tls) as receiver:
        one = office(webhook(receiver))
        one.report(Severity.HIGH)
        one.work()
        assert receiver.got == []
        assert "certificate" in read(one.history.engine)[1][0].error
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        one.work(6)
        assert len(receiver.got) == 1


def test_a_variable_that_is_not_set_is_named_and_what_waits_is_delivered_once_it_is(
    office: Callable[..., Office], receiver: Receiver
):
    one = office(Notify(name="c", type="slack", url_env="SLACK_URL"))
    one.report(Severity.HIGH)
    one.work()
    (queued,) = read(one.history.engine)[1]
    assert "the environment variable SLACK_URL is not set" in queued.error
    one.environ["SLACK_URL"] = f"{receiver.url}/slack"
    one.begin()
    one.work(6)
    assert len(receiver.at("/slack")) == 1


def test_no_secret_is_written_or_logged(
    office: Callable[..., Office], receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Neither address nor keys, not even where the receiver says them back."""
    echo = (500, {}, f"no such hook: /{HUSH} of token {HUSH}2 and {HUSH}3".encode())
    receiver.answers[f"/{HUSH}"] = [echo, (404, {}, echo[2])]
    one = office(
        webhook(None, url="", url_env="U", token_env="T", signing_key_env="S"),
        environ={"U": f"{receiver.url}/{HUSH}", "T": f"{HUSH}2", "S": f"{HUSH}3"},
    )
    one.report(Severity.HIGH)
    one.work()
    one.work(6)
    assert receiver.got
    one.history.close()
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert b"no such hook" in written
    assert HUSH.encode() not in written
    told = capsys.readouterr()
    assert HUSH not in told.out + told.err


def test_texts_of_users_go_only_where_they_are_asked_for(office: Callable[..., Office], receiver: Receiver):
    plain = webhook(receiver)
    with_text = webhook(None, name="t", url=f"{receiver.url}/text", include_text=True)
    one = office(plain, with_text)
    pair = Pair(
        exchange_id="1",
        baseline_exchange_id="2",
        prompt="my secret illness",
        baseline_prompt="p",
        baseline="old answer",
        current="new answer",
        witness=1.0,
        prompt_similarity=0.9,
    )
    one.report(Severity.HIGH)
    one.ledger.commit(Changes(witnesses={"support": [pair]}))
    one.work()
    assert "illness" not in str(receiver.at("/hook"))
    assert receiver.at("/text")[0]["excerpt"] == {
        "prompt": "my secret illness",
        "baseline": "old answer",
        "current": "new answer",
    }
    assert "illness" not in str([msgspec.to_builtins(part) for part in read(one.history.engine)])


def test_mute_and_acknowledgement_hold_back_and_let_go(office: Callable[..., Office], receiver: Receiver):
    one = office(webhook(receiver))
    write_mute(one.history.engine, "support", Mute(until=one.clock() + 1_000, note="", since=one.clock()))
    one.report(Severity.HIGH)
    one.work()
    one.work(5)
    assert receiver.got == []
    assert one.counted("suppressed") == 1
    delete_mute(one.history.engine, "support")
    write_acknowledgement(
        one.history.engine, "support", Acknowledgement(severity=Severity.HIGH, at=one.clock(), by="", note="")
    )
    one.work(5)
    assert receiver.got == []
    one.report(Severity.CRITICAL)
    one.work(5)
    assert [body["event"] for body in receiver.at("/hook")] == ["opened"]


def test_exchanges_that_the_tap_lets_go_are_told_even_when_the_server_does_not_answer(
    office: Callable[..., Office], receiver: Receiver
):
    """They are counted in the log. What was let go before the first look is no news, after a restart it is."""
    one = office(webhook(receiver))
    one.log.append([], {"dropped": 7})
    one.work()
    assert receiver.got == []
    one.log.append([], {"dropped": 19})
    one.begin()
    one.work(5)
    (body,) = receiver.at("/hook")
    assert (body["kind"], body["event"]) == ("tap", "opened")
    assert (body["figures"]["dropped_now"], body["figures"]["dropped"]) == (12, 19)


def test_a_database_that_cannot_be_written_keeps_nobody_from_being_told(
    office: Callable[..., Office], receiver: Receiver
):
    """The drift was there before; then the disk is full. What happened is written down when there is room again."""
    one = office(webhook(receiver))
    one.report(Severity.HIGH)
    with one.history.engine.connect() as db:
        db.exec_driver_sql(
            "create trigger full before insert on notify_incidents begin select raise(abort, 'full'); end"
        )
        db.commit()
    one.work()
    one.work(5)
    assert len(receiver.at("/hook")) == 1
    assert read(one.history.engine)[0] == {}
    with one.history.engine.connect() as db:
        db.exec_driver_sql("drop trigger full")
        db.commit()
    one.work(5)
    assert set(read(one.history.engine)[0]) == {"severity:support"}
    assert (one.counted("sent"), len(receiver.got)) == (1, 1)


def test_a_history_that_cannot_be_read_keeps_nobody_from_hearing_of_the_rest(
    office: Callable[..., Office], receiver: Receiver
):
    """What was told before stands until it can be read again."""
    one = office(webhook(receiver))
    one.report(Severity.HIGH)
    one.work()
    with one.history.engine.connect() as db:
        db.exec_driver_sql("alter table monitors rename to away")
        db.commit()
    one.log.append([], {"dropped": 3})
    one.work(400)
    assert [(body["kind"], body["event"]) for body in receiver.at("/hook")] == [
        ("severity", "opened"),
        ("tap", "opened"),
    ]
    with one.history.engine.connect() as db:
        db.exec_driver_sql("alter table away rename to monitors")
        db.commit()
    one.work(5)
    assert len(receiver.got) == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("Thu, 20 Nov 2025 08:01:00 GMT", 60.0),
        ("Thu, 20 Nov 2025 07:00:00 GMT", 0.0),
        ("999999999", 3_600.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("9" * 400, 3_600.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_never_for_more_than_an_hour(
    header: str, seconds: float | None
):
    assert retry_after(header, 1_763_625_600.0) == seconds
