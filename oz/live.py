"""The view of a terminal: what is done, as lines, and below them, drawn in place, what goes on.

The only importer of rich, once the first step begins: that takes a tenth of a second. Neither is the cursor hidden nor
anything of the terminal set, so however the program ends, there is nothing to restore.
"""

import io
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from oz.progress import ProgressEvent, View, describe_meter, describe_stage, duration, printable, remaining

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_TICK_S = 0.5
_WIDTH_MAX = 78
"""A terminal that becomes narrower folds the lines that no longer fit, and some move what was drawn to where no cursor
comes. Lines no longer than this are seldom touched."""
_TEXT_MAX = 500
_STAGE_MIN_S = 1.0
"""Installers' steps that took less are not worth a line."""
_STYLE = re.compile(r"\x1b\[[\d;]*m")
_NOTHING = ProgressEvent(kind="stage", text="", depth=0)


def can_be_live(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether there is a terminal that can be drawn on, and somebody who watches it."""
    return stream.isatty() and environ.get("TERM", "dumb") not in ("", "dumb") and not environ.get("CI")


@contextmanager
def live_view(stream: TextIO) -> Iterator[View]:
    """A view that draws on a terminal; at the end of the block, what is not done is gone from there."""
    live = _Live(stream)
    try:
        yield live.show
    finally:
        live.close()


@dataclass(slots=True, kw_only=True)
class _Step:
    text: str
    start: float
    is_told: bool = False
    """There is a line of it, above those of what is in it."""


class _Live:
    """A thread draws; whatever writes, does so with the lock held, since only then is known where the cursor is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._others = _Others(self)
        self._marks = "▸✓✗" if _is_utf8(stream) else ">+x"
        self._start = 0.0
        self._steps: list[_Step] = []
        self._drawn: list[int] = []
        """The widths of the lines that are drawn; the cursor is at the end of the last one."""
        self._forget()

    def _forget(self) -> None:
        """Nothing is known yet of the current step."""
        self._amount, self._amount_at = _NOTHING, 0.0
        self._stage, self._stage_at = _NOTHING, 0.0
        self._line = ""

    # ------------------------------------------------------------------ events

    def show(self, event: ProgressEvent) -> None:
        """Take an event. Raises OSError where the terminal has gone."""
        with self._lock:
            if event.kind == "line":
                self._line = event.text
            elif event.kind in ("meter", "wait"):
                self._amount, self._amount_at = event, time.monotonic()
            elif event.kind == "stage":
                self._take_stage(event)
            elif event.kind == "note":
                self._put("  " * event.depth + printable(event.text), event.depth)
            elif event.kind == "begin":
                self._begin(event)
            else:
                self._end(event)

    def _begin(self, event: ProgressEvent) -> None:
        if not self._thread:
            self._start = time.monotonic()
            self._thread = threading.Thread(target=self._tick, name="oz-live", daemon=True)
            self._thread.start()
        if not self._steps and sys.stderr is self._stream:
            sys.stderr = self._others
        self._forget()
        self._steps.append(_Step(text=event.text, start=time.monotonic()))

    def _take_stage(self, event: ProgressEvent) -> None:
        before, self._stage = self._stage, event
        if event.text != before.text:
            start, self._stage_at = self._stage_at, time.monotonic()
            self._put_stage(before, self._stage_at - start, has_failed=False)

    def _put_stage(self, stage: ProgressEvent, seconds: float, *, has_failed: bool) -> None:
        if stage.text and (seconds >= _STAGE_MIN_S or has_failed):
            self._put_done(stage.text, stage.depth, seconds, has_failed=has_failed)

    def _end(self, event: ProgressEvent) -> None:
        has_failed = event.kind == "fail"
        self._put_stage(self._stage, time.monotonic() - self._stage_at, has_failed=has_failed)
        del self._steps[event.depth :]
        self._forget()
        self._put_done(event.text, event.depth, event.seconds, has_failed=has_failed)
        if not self._steps:
            self._give_back()

    def _put_done(self, text: str, depth: int, seconds: float, *, has_failed: bool) -> None:
        mark, style = (self._marks[2], "red") if has_failed else (self._marks[1], "green")
        words = f"failed after {duration(seconds)}" if has_failed else duration(seconds)
        self._write([*self._headings(depth), self._row(depth, mark, style, text, words)])

    def _put(self, text: str, depth: int = 0) -> None:
        from rich.text import Text

        self._write([*self._headings(depth), Text(text)])

    def _headings(self, depth: int) -> "list[RenderableType]":
        """A line for each step around what is at this depth that has none yet."""
        rows: list[RenderableType] = []
        for number, step in enumerate(self._steps[:depth]):
            if not step.is_told:
                step.is_told = True
                rows.append(self._row(number, self._marks[0], "bold", step.text, ""))
        return rows

    def put_foreign(self, text: str) -> None:
        """Write a line above what is drawn."""
        with self._lock:
            self._put(printable(text))

    def close(self) -> None:
        """Nothing is drawn any more, nor will be."""
        self._stopped.set()
        if self._thread:
            self._thread.join()
        with self._lock, suppress(OSError, ValueError):
            self._give_back()
            self._steps.clear()
            if self._drawn:
                self._write([])

    def _give_back(self) -> None:
        if sys.stderr is self._others:
            self._others.finish()
            sys.stderr = self._stream

    # ------------------------------------------------------------------ drawing

    def _tick(self) -> None:
        with suppress(OSError, ValueError):
            while not self._stopped.wait(_TICK_S):
                with self._lock:
                    if self._steps and self._has_terminal():
                        self._draw("")

    def _has_terminal(self) -> bool:
        """Whether it is ours: a shell that goes on in the foreground has its own lines there."""
        try:
            is_ours = os.tcgetpgrp(self._stream.fileno()) == os.getpgrp()
        except OSError:
            return True  # of nobody's job control
        if not is_ours:
            self._drawn = []
        return is_ours

    def _write(self, done: "list[RenderableType]") -> None:
        """Lines that stay; what is drawn moves below them."""
        is_drawn = bool(self._drawn)
        text = self._print(done, columns=0)
        if is_drawn and self._steps:
            self._draw(text)
        else:
            self._stream.write(self._erase(self._size().columns) + text)
            self._stream.flush()

    def _draw(self, above: str) -> None:
        size = self._size()
        erased, columns = self._erase(size.columns), min(size.columns - 1, _WIDTH_MAX)
        rows = self._rows(time.monotonic(), columns)[: max(size.lines - 1, 1)]
        lines = [self._print([row], columns=columns).rstrip("\n") for row in rows]
        self._drawn = [len(_STYLE.sub("", line)) for line in lines]
        self._stream.write(erased + above + "\n".join(lines))
        self._stream.flush()

    def _erase(self, columns: int) -> str:
        """What makes the drawing go. In a terminal that has become narrower its lines may take several rows each."""
        rows = sum(max(1, -(-width // columns)) for width in self._drawn)
        is_drawn, self._drawn = bool(self._drawn), []
        up = f"\x1b[{rows - 1}A" if rows > 1 else ""
        return f"\r{up}\x1b[J" if is_drawn else ""

    def _size(self) -> os.terminal_size:
        size = os.get_terminal_size(self._stream.fileno())
        return os.terminal_size((max(size.columns, 2) if size.columns else 80, size.lines or 24))

    @cached_property
    def _console(self) -> "Console":
        """Colours by what TERM, COLORTERM and NO_COLOR say; the size is asked at every drawing."""
        from rich.console import Console

        return Console(file=self._stream, force_terminal=True, highlight=False, markup=False, emoji=False)

    def _print(self, rows: "list[RenderableType]", *, columns: int) -> str:
        """As the terminal's characters; cut to so many columns, unless 0."""
        with self._console.capture() as captured:
            for row in rows:
                if columns:
                    self._console.print(row, width=columns, no_wrap=True, overflow="crop", crop=True)
                else:
                    self._console.print(row, soft_wrap=True)
        return captured.get()

    def _rows(self, now: float, columns: int) -> "list[RenderableType]":
        from rich.text import Text

        rows: list[RenderableType] = []
        for depth, step in enumerate(self._steps):
            if not step.is_told:
                rows.append(self._row(depth, self._marks[0], "bold", step.text, _elapsed(now - step.start)))
        depth = len(self._steps)
        if self._stage.text:
            words = describe_stage(replace(self._stage, fraction=None))
            rows.append(self._row(depth, self._marks[0], "", words, _elapsed(now - self._stage_at)))
        elif self._amount.kind == "meter":
            rows.append(Text(f"{'  ' * depth}{self._narrow(describe_meter(self._amount))}"))
        seconds = self._amount.seconds + now - self._amount_at
        rows.append(self._bar(depth, columns, seconds, now))
        left = remaining(seconds, self._amount.expected_s)
        words = ", ".join(word for word in (left, f"{_elapsed(now - self._start)} in all") if word)
        rows.append(Text(f"{'  ' * depth}{words}"))
        if self._line.strip():
            rows.append(Text(f"{'  ' * depth}{self._narrow(self._line.strip())}", style="dim"))
        return rows

    def _bar(self, depth: int, columns: int, seconds: float, now: float) -> "RenderableType":
        """How far the installer says it is; else by the time that it took the last time; else that it goes on."""
        from rich.columns import Columns
        from rich.progress_bar import ProgressBar

        amount, indent = self._amount, "  " * depth
        fraction, label, style = self._stage.fraction, "", "cyan"
        if fraction is None and amount.kind == "meter" and amount.total > 0:
            fraction = min(amount.done / amount.total, 1.0)
        if fraction is not None:
            label = f" {int(100 * fraction + 1e-9)} %"
        elif amount.expected_s > seconds:
            fraction, style = seconds / amount.expected_s, "yellow"
            label = f" {int(100 * fraction)} %, estimated"
        width = max(columns - len(indent) - len(label), 1)
        bar = ProgressBar(
            total=1.0,
            completed=fraction or 0.0,
            width=width,
            pulse=fraction is None,
            complete_style=style,
            finished_style=style,
            pulse_style="cyan",
            animation_time=now,
        )
        return Columns([indent, bar, label], padding=0) if indent else Columns([bar, label], padding=0)

    def _row(self, depth: int, mark: str, style: str, text: str, right: str) -> "Text":
        from rich.text import Text

        width = min(self._size().columns - 1, _WIDTH_MAX)
        left = Text("  " * depth).append(mark, style=style)
        left.append(f" {self._narrow(text)}", style="bold" if style == "bold" else "")
        left.truncate(
            max(width - len(right) - 2, 1), overflow="ellipsis" if _is_utf8(self._stream) else "crop", pad=True
        )
        return left.append(f"  {right}")

    def _narrow(self, text: str) -> str:
        """The text in characters that take one column each, so that no line is longer than it is thought to be."""
        from rich.cells import cell_len

        text = printable(text[:_TEXT_MAX])
        if not _is_utf8(self._stream):
            return text.encode("ascii", "replace").decode()
        return text if text.isascii() else "".join(char if cell_len(char) == 1 else "?" for char in text)


class _Others(io.TextIOBase):
    """stderr while there is a drawing: what logs and warnings write comes above it, line by line, and is harmless."""

    def __init__(self, live: _Live) -> None:
        self._live = live
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._live.put_foreign(line)
        return len(text)

    def finish(self) -> None:
        if self._rest:
            self.write("\n")


def _is_utf8(stream: TextIO) -> bool:
    return (stream.encoding or "ascii").lower().replace("-", "").startswith("utf")


def _elapsed(seconds: float) -> str:
    return duration(seconds) if seconds >= 60 else f"{seconds:.0f} s"
