"""Progress as events: phases report steps and meters, views show them. Nothing else is said sideways."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal, TextIO

from oz.units import format_size


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """`depth` counts the steps around it; `done` and `total` are the bytes of a meter, total 0 if unknown.

    wait: a step that says nothing of how far it is goes on since `seconds`; `expected_s` is what it took the last time,
    0 if that is not known.
    stage: an installer says that it is in the step `text`, at `n` of `m` things, 0 if it counts none, with so large a
    `fraction` of the step done, None if it does not tell.
    line: `text` is what a guest has written last, as it came.
    """

    kind: Literal["begin", "end", "fail", "meter", "note", "wait", "stage", "line"]
    text: str
    depth: int
    seconds: float = 0.0
    done: int = 0
    total: int = 0
    expected_s: float = 0.0
    n: int = 0
    m: int = 0
    fraction: float | None = None


View = Callable[[ProgressEvent], None]

_views: list[View] = []
_depth = 0


def add_view(view: View) -> None:
    """Show every event from now on to `view` as well."""
    _views.append(view)


def remove_view(view: View) -> None:
    """Show it no more events; harmless when it has gone by itself."""
    if view in _views:
        _views.remove(view)


def _emit(event: ProgressEvent) -> None:
    """A view that can no longer write (its reader has gone, its disk is full) is dropped: the work goes on."""
    for view in tuple(_views):
        try:
            view(event)
        except (OSError, ValueError):
            remove_view(view)


@contextmanager
def step(text: str) -> Iterator[None]:
    """A named piece of work; its end tells the seconds it took, also when it fails."""
    global _depth
    start = time.monotonic()
    _emit(ProgressEvent(kind="begin", text=text, depth=_depth))
    _depth += 1
    kind: Literal["end", "fail"] = "fail"
    try:
        yield
        kind = "end"
    finally:
        _depth -= 1
        _emit(ProgressEvent(kind=kind, text=text, depth=_depth, seconds=time.monotonic() - start))


def meter(text: str, done: int, total: int) -> None:
    """How far the current step is."""
    _emit(ProgressEvent(kind="meter", text=text, depth=_depth, done=done, total=total))


def wait(text: str, seconds: float, expected_s: float | None) -> None:
    """How long the current step has been going on, and what it took the last time."""
    _emit(ProgressEvent(kind="wait", text=text, depth=_depth, seconds=seconds, expected_s=expected_s or 0.0))


def stage(text: str, *, n: int, m: int, fraction: float | None) -> None:
    """What an installer says of where it is."""
    _emit(ProgressEvent(kind="stage", text=text, depth=_depth, n=n, m=m, fraction=fraction))


def line(text: str) -> None:
    """What a guest has written."""
    _emit(ProgressEvent(kind="line", text=text, depth=_depth))


def note(text: str) -> None:
    """Something worth a line."""
    _emit(ProgressEvent(kind="note", text=text, depth=_depth))


class Meter:
    """A meter for work that advances often: shown twice a second at most. `total` 0 means unknown."""

    def __init__(self, text: str, total: int) -> None:
        self._text = text
        self._total = total
        self._shown = time.monotonic()

    def show(self, done: int) -> None:
        now = time.monotonic()
        if now - self._shown >= 0.5:
            self._shown = now
            meter(self._text, done, self._total)


def plain_view(stream: TextIO) -> View:
    """A line for each step, also an installer's, and one every 10 s for a meter or a step that waits: for logs."""
    last = -10.0
    stage = ProgressEvent(kind="stage", text="", depth=0)

    def show(event: ProgressEvent) -> None:
        nonlocal last, stage
        indent = "  " * event.depth
        text = printable(event.text)
        if event.kind == "begin":
            line = f"{indent}{text} ..."
            stage = ProgressEvent(kind="stage", text="", depth=0)
        elif event.kind == "note":
            line = f"{indent}{text}"
        elif event.kind == "stage":
            before, stage = stage, event
            if event.text == before.text:
                return
            line = f"{indent}installer: {text}"
        elif event.kind in ("meter", "wait"):
            if time.monotonic() - last < 10:
                return
            last = time.monotonic()
            line = f"{indent}{_amount(event, stage)}"
        elif event.kind in ("end", "fail"):
            line = f"{indent}{text}: {ending(event)}"
        else:
            return
        stream.write(line + "\n")
        stream.flush()

    return show


def printable(text: str) -> str:
    """The text in one line that does nothing to a terminal: whatever is not printable appears as an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def json_view(stream: TextIO) -> View:
    """Each event as one line of JSON, but not what guests write: that is in the logs."""

    def show(event: ProgressEvent) -> None:
        if event.kind == "line":
            return
        stream.write(json.dumps(asdict(event)) + "\n")
        stream.flush()

    return show


def ending(event: ProgressEvent) -> str:
    """How a step ended, and after how long."""
    return f"{'failed after' if event.kind == 'fail' else 'done in'} {event.seconds:.1f} s"


def duration(seconds: float) -> str:
    """ "4.2 s" or "3 min 20 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def remaining(seconds: float, expected_s: float) -> str:
    """What is left of a step by what it took the last time, no more precise than that is; "" if unknown."""
    left_s = expected_s - seconds
    if left_s > 0:
        about = f"{round(left_s / 60)} min" if left_s >= 90 else f"{max(round(left_s, -1), 10):.0f} s"
        return f"about {about} left, as last time"
    return f"longer than last time ({duration(expected_s)})" if expected_s > 0 else ""


def describe_stage(event: ProgressEvent) -> str:
    """ "Installing packages, 12 of 301 (4 %)", as much of it as the installer has said."""
    count = f", {event.n} of {event.m}" if event.m else ""
    share = f" ({int(100 * event.fraction + 1e-9)} %)" if event.fraction is not None else ""
    return f"{printable(event.text)}{count}{share}"


def describe_meter(event: ProgressEvent) -> str:
    """ "iso 512 KiB of 1 MiB (50 %)"."""
    text = printable(event.text)
    if event.total <= 0:
        return f"{text} {format_size(event.done)}"
    return f"{text} {format_size(event.done)} of {format_size(event.total)} ({100 * event.done // event.total} %)"


def _amount(event: ProgressEvent, stage: ProgressEvent) -> str:
    if event.kind == "meter":
        return describe_meter(event)
    words = (duration(event.seconds), describe_stage(stage), remaining(event.seconds, event.expected_s))
    return f"{printable(event.text)}: {', '.join(word for word in words if word)}"
