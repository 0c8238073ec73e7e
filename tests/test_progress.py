"""Progress as users, logs and programs see it; a terminal is a real pseudo-terminal."""

import fcntl
import io
import json
import os
import struct
import termios
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
        (200.0, 1500.0, "Install: 3 min 20 s, about 21 min 40 s left by the last time"),
        (1600.0, 1500.0, "Install: 26 min 40 s, longer than the last time (25 min 0 s)"),
    ):
        stream = io.StringIO()
        with showing(progress.plain_view(stream)):
            progress.wait("Install", seconds, expected_s)
            progress.wait("Install", seconds + 1, expected_s)
        assert stream.getvalue() == line + "\n"


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
    assert events[1] == {**meter, "expected_s": 0.0}
    assert events[-1]["text"] == "two\nlines \udcff"


@pytest.mark.parametrize("make_view", [progress.plain_view, progress.terminal_view])
def test_a_hostile_name_does_nothing_to_the_terminal(make_view) -> None:
    stream = io.StringIO()
    with showing(make_view(stream)):
        progress.note("medium: \x1b]0;pwned\x07\x9b2J\n\r‮ ü")
        progress.meter("\x1b[2J", 1, 0)
    assert r"medium: \x1b]0;pwned\x07\x9b2J\n\r\u202e ü" in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue() and "\x07" not in stream.getvalue()


def test_a_terminal_rewrites_the_meter() -> None:
    stream = io.StringIO()
    with showing(progress.terminal_view(stream)):
        work()
    assert "50 %)\r\x1b[K  half of it\n" in stream.getvalue()


def test_a_meter_does_not_outlive_a_short_step() -> None:
    stream = io.StringIO()
    with showing(progress.terminal_view(stream)):
        with progress.step("Fetch iso"):
            progress.meter("iso", 1, 2)
        progress.note("next")
    assert stream.getvalue().endswith("50 %)\r\x1b[Knext\n")


def test_a_meter_fits_a_narrow_terminal() -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 20, 0, 0))
    with os.fdopen(theirs, "w") as stream, showing(progress.terminal_view(stream)):
        progress.meter("a rather long name", 1, 10)
        shown = os.read(ours, 1000)
    os.close(ours)
    assert shown == b"a rather long name "


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
