"""Progress as logs and programs see it; test_live has terminals."""

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oz import progress
from oz.progress import View


@contextmanager
def showing(view: View) -> Iterator[None]:
    progress.add_view(view)
    try:
        yield
    finally:
        progress.remove_view(view)


def work() -> None:
    with progress.step("Fetch iso"):
        progress.meter("iso", 512 * 1024, 1024 * 1024)
        progress.note("half of it")


def test_a_log_gets_a_line_for_each_step() -> None:
    stream = io.StringIO()
    with showing(progress.plain_view(stream)):
        work()
    assert stream.getvalue().splitlines() == [
        "Fetch iso ...",
        "  iso 512 KiB of 1 MiB (50 %)",
        "  half of it",
        "Fetch iso: done in 0.0 s",
    ]


def test_a_meter_is_logged_now_and_then() -> None:
    stream = io.StringIO()
    with showing(progress.plain_view(stream)):
        for done in range(100):
            progress.meter("iso", done, 0)
    assert stream.getvalue() == "iso 0 bytes\n"


def test_a_step_that_waits_tells_what_is_left_only_by_an_earlier_one() -> None:
    for seconds, expected_s, line in (
        (200.0, None, "Install: 3 min 20 s"),
        (1440.0, 1500.0, "Install: 24 min 0 s, about 60 s left, as last time"),
        (200.0, 1500.0, "Install: 3 min 20 s, about 22 min left, as last time"),
        (1600.0, 1500.0, "Install: 26 min 40 s, longer than last time (25 min 0 s)"),
    ):
        stream = io.StringIO()
        with showing(progress.plain_view(stream)):
            progress.wait("Install", seconds, expected_s)
            progress.wait("Install", seconds + 1, expected_s)
        assert stream.getvalue() == line + "\n"


def test_what_an_installer_says_of_itself_has_a_line_for_each_step() -> None:
    stream, events = io.StringIO(), io.StringIO()
    with showing(progress.plain_view(stream)), showing(progress.json_view(events)), progress.step("Install"):
        progress.stage("netcfg", n=0, m=0, fraction=None)
        for n in (1, 2):
            progress.stage("Installing packages", n=n, m=301, fraction=n / 301)
            progress.line("what a guest writes")
        progress.wait("Install", 200.0, None)
    assert stream.getvalue().splitlines()[1:-1] == [
        "  installer: netcfg",
        "  installer: Installing packages",
        "  Install: 3 min 20 s, Installing packages, 2 of 301 (0 %)",
    ]
    stages = [event for line in events.getvalue().splitlines() if (event := json.loads(line))["kind"] == "stage"]
    told = [(event["text"], event["n"], event["m"], event["fraction"]) for event in stages]
    assert told == [("netcfg", 0, 0, None), *(("Installing packages", n, 301, n / 301) for n in (1, 2))]
    assert "what a guest writes" not in stream.getvalue() + events.getvalue()


def test_a_failed_step_says_so_and_the_depth_returns() -> None:
    stream = io.StringIO()
    with (
        showing(progress.plain_view(stream)),
        pytest.raises(KeyError, match="gone"),
        progress.step("Outer"),
        progress.step("Inner"),
    ):
        raise KeyError("gone")
    with showing(progress.plain_view(stream)):
        progress.note("after")
    lines = stream.getvalue().splitlines()
    assert lines[2].startswith("  Inner: failed after") and lines[3].startswith("Outer: failed after")
    assert lines[-1] == "after"


def test_json_has_one_object_a_line() -> None:
    stream = io.StringIO()
    with showing(progress.json_view(stream)):
        work()
        progress.note("two\nlines \udcff")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["kind"] for event in events] == ["begin", "meter", "note", "end", "note"]
    meter = {"kind": "meter", "text": "iso", "depth": 1, "seconds": 0.0, "done": 524288, "total": 1048576}
    assert events[1] == {**meter, "expected_s": 0.0, "n": 0, "m": 0, "fraction": None}
    assert events[-1]["text"] == "two\nlines \udcff"


def test_a_hostile_name_does_nothing_to_the_terminal() -> None:
    stream = io.StringIO()
    with showing(progress.plain_view(stream)):
        progress.note("medium: \x1b]0;pwned\x07\x9b2J\n\r‮ ü")
        progress.meter("\x1b[2J", 1, 0)
    assert r"medium: \x1b]0;pwned\x07\x9b2J\n\r\u202e ü" in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue() and "\x07" not in stream.getvalue()


def test_progress_that_cannot_be_written_does_not_end_the_work() -> None:
    closed = io.StringIO()
    closed.close()
    with Path("/dev/full").open("wb", buffering=0) as device:
        for stream in (io.TextIOWrapper(device, write_through=True), closed):
            with showing(progress.plain_view(stream)), progress.step("Work"):
                progress.note("goes on")


def test_a_view_whose_reader_has_gone_is_dropped() -> None:
    reader, writer = os.pipe()
    shown: list[str] = []
    stream = os.fdopen(writer, "wb", buffering=0)
    view = progress.plain_view(io.TextIOWrapper(stream, write_through=True))
    os.close(reader)
    progress.add_view(view)
    with showing(lambda event: shown.append(event.text)):
        progress.note("nobody")
        progress.note("still nobody")
    assert shown == ["nobody", "still nobody"]
    progress.remove_view(view)
