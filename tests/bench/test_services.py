"""The services under load: how their counts are compared with what was sent, on made-up numbers."""

import argparse

import pytest
from benchmarks import results, services, tables
from benchmarks.services import Disagreement, Record, Sent, Totals

SENT = Sent(completed=100, refused=40, microseconds=1_500_000, connect=0, read=0, write=0, timeout=0)


@pytest.mark.parametrize(
    ("counted", "unseen"),
    [
        ({"200": 60, "503": 40}, 0),
        ({"200": 64, "503": 40}, 4),
        ({"200": 60, "503": 30, "404": 14}, 4),
        ({"200": 61, "503": 43}, 4),
    ],
)
def test_what_wrk_left_unanswered_is_allowed_for(counted, unseen):
    assert services.cut_off(SENT, counted, 4) == unseen


@pytest.mark.parametrize(
    "counted",
    [
        {"200": 59, "503": 40},  # an answer that was not counted
        {"200": 60, "503": 39},
        {"200": 59, "503": 41},  # the sum is right, but the statuses are not
        {"200": 63, "503": 42},  # more than there were connections
        {"200": 100},
        {},
    ],
)
def test_what_cannot_be_is_a_disagreement(counted):
    with pytest.raises(Disagreement, match="wrk, on 4 connections, had 60 and 40"):
        services.cut_off(SENT, counted, 4)


def test_latencies_are_as_many_as_requests_by_status():
    totals = Totals(
        {("/", "200"): 3, ("/b", "200"): 1, ("/", "503"): 2}, {"200": {"1.0": 1, "+Inf": 3}}, 0, 0
    )
    with pytest.raises(Disagreement, match="latencies"):
        services.check_latencies(totals)
    totals.buckets["503"] = {"1.0": 2, "+Inf": 0}
    services.check_latencies(totals)
    assert totals.by_status() == {"200": 4, "503": 2}
    assert totals.by_status("/") == {"200": 3, "503": 2}


def test_what_came_since():
    before = Totals({("/", "200"): 3}, {"200": {"1.0": 1, "+Inf": 2}, "500": {"1.0": 1, "+Inf": 0}}, 0, 0)
    after = Totals(
        {("/", "200"): 5, ("/", "503"): 1},
        {"200": {"1.0": 1, "+Inf": 4}, "500": {"1.0": 1, "+Inf": 0}, "503": {"1.0": 1, "+Inf": 0}},
        1,
        1,
    )
    assert after.since(before) == Totals(
        {("/", "200"): 2, ("/", "503"): 1}, {"200": {"1.0": 0, "+Inf": 2}, "503": {"1.0": 1, "+Inf": 0}}, 1, 1
    )
    assert after.since(after).requests == after.since(after).buckets == {}


@pytest.mark.parametrize(
    ("buckets", "text"),
    [
        ({"0.001": 99, "0.01": 1, "+Inf": 0}, "99% within 1 ms"),
        ({"0.001": 98, "0.01": 2, "+Inf": 0}, "99% within 10 ms"),
        ({"0.001": 98, "0.01": 0, "+Inf": 2}, "not 99% within 10 ms"),
    ],
)
def test_within_which_bound(buckets, text):
    assert tables.within(buckets, 0.99) == text


def options(folder):
    return argparse.Namespace(seconds=1, output=folder)


def test_without_wrk_nothing_is_started(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(services.shutil, "which", lambda name: None)
    monkeypatch.setattr(services, "service", lambda name: pytest.fail("started"))
    assert services.services(options(tmp_path)) == 1
    assert "wrk is not installed" in capsys.readouterr().err


class Idle:
    """Stands in for a service."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def test_each_service_is_measured_at_each_load(monkeypatch, tmp_path, capsys):
    def load(running, name, connections, seconds):
        served = connections * 3
        return Record(name, connections, 1.5, served, 0, served, 0, 0, {"200": {"1.0": served, "+Inf": 0}})

    monkeypatch.setattr(services.shutil, "which", lambda name: name)
    monkeypatch.setattr(services, "service", lambda name: Idle())
    monkeypatch.setattr(services, "load", load)
    assert services.services(options(tmp_path)) == 0
    (written,) = results.read(results.SERVICES, tmp_path)
    measured = [(case["service"], case["connections"]) for case in written["cases"]]
    assert measured == [(name, count) for name in services.COMMANDS for count in services.CONNECTIONS]
    known = tables.read_results(tmp_path)
    assert "| WSGI, 8 | 16 served, 99% within 1000 ms; 0 shed |" in tables.services(known)


def test_a_service_that_does_not_come_up_is_told(monkeypatch, capfd):
    monkeypatch.setitem(services.COMMANDS, "WSGI", "-m no_such_server")
    with pytest.raises(RuntimeError, match="WSGI ended with status 1"), services.service("WSGI"):
        pytest.fail("it came up")
    assert "no_such_server" in capfd.readouterr().err
