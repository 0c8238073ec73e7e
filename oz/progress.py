"""Progress as events: phases report steps and meters, views show them. Nothing else is said sideways."""

import json
import os
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
    """

    kind: Literal["begin", "end", "fail", "meter", "note", "wait"]
    text: str
    depth: int
    seconds: float = 0.0
    done: int = 0
    total: int = 0
    expected_s: float = 0.0


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
    """A line for each step that ended, and one every 10 s for a meter or a step that waits: for logs."""
    last = -10.0

    def show(event: ProgressEvent) -> None:
        nonlocal last
        indent = "  " * event.depth
        text = printable(event.text)
        if event.kind == "begin":
            line = f"{indent}{text} ..."
        elif event.kind == "note":
            line = f"{indent}{text}"
        elif event.kind in ("meter", "wait"):
            if time.monotonic() - last < 10:
                return
            last = time.monotonic()
            line = f"{indent}{_amount(event)}"
        else:
            line = f"{indent}{text}: {_ending(event)}"
        stream.write(line + "\n")
        stream.flush()

    return show


def terminal_view(stream: TextIO) -> View:
    """Steps as a growing list; the current meter, or how long it waits, is rewritten in place."""
    on_meter = False

    def show(event: ProgressEvent) -> None:
        nonlocal on_meter
        indent = "  " * event.depth
        text = printable(event.text)
        line = "\r\x1b[K" if on_meter else ""
        on_meter = event.kind in ("meter", "wait")
        if event.kind == "begin":
            line += f"{indent}\x1b[1m{text}\x1b[0m ...\n"
        elif event.kind == "note":
            line += f"{indent}{text}\n"
        elif on_meter:
            # A line that wraps could not be rewritten.
            line += f"{indent}{_amount(event)}"[: _columns(stream) - 1]
        elif event.kind == "fail" or event.seconds >= 0.1:
            colour = "\x1b[31m" if event.kind == "fail" else "\x1b[2m"
            line += f"{indent}{colour}{text}: {_ending(event)}\x1b[0m\n"
        stream.write(line)
        stream.flush()

    return show


def printable(text: str) -> str:
    """The text in one line that does nothing to a terminal: whatever is not printable appears as an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def json_view(stream: TextIO) -> View:
    """Each event as one line of JSON."""

    def show(event: ProgressEvent) -> None:
        stream.write(json.dumps(asdict(event)) + "\n")
        stream.flush()

    return show


def _ending(event: ProgressEvent) -> str:
    return f"{'failed after' if event.kind == 'fail' else 'done in'} {event.seconds:.1f} s"


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def duration(seconds: float) -> str:
    """ "4.2 s" or "3 min 20 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _amount(event: ProgressEvent) -> str:
    text = printable(event.text)
    if event.kind == "wait":
        left_s = event.expected_s - event.seconds
        left = f", about {duration(left_s)} left by the last time" if left_s > 0 else ""
        late = f", longer than the last time ({duration(event.expected_s)})" if left_s <= 0 < event.expected_s else ""
        return f"{text}: {duration(event.seconds)}{left}{late}"
    if event.total <= 0:
        return f"{text} {format_size(event.done)}"
    share = 100 * event.done // event.total
    return f"{text} {format_size(event.done)} of {format_size(event.total)} ({share} %)"
