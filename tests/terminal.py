"""A program on a pseudo-terminal of its own, and what it shows there: pyte keeps the screen."""

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

PATIENCE_S = 60.0
"""For anything that takes a second when this host is idle."""
PLAIN = ("CI", "NO_COLOR", "COLORTERM")
"""Variables that would change what a terminal shows."""


class _Screen(pyte.Screen):
    """What is dim, which pyte does not know, has a colour of its own."""

    def select_graphic_rendition(self, *attributes: int) -> None:
        super().select_graphic_rendition(*((90,) if attributes == (2,) else attributes))


class Terminal:
    """`screen` is what is shown, `raw` all that was written to it. As a context, it ends what still runs."""

    def __init__(
        self, command: Sequence[str | Path], *, columns: int = 80, lines: int = 24, env: Mapping[str, str] | None = None
    ) -> None:
        self.screen = _Screen(columns, lines)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = os.openpty()
        self.resize(columns, lines)
        self.settings = termios.tcgetattr(theirs)
        inherited = {name: value for name, value in os.environ.items() if name not in PLAIN}
        # setsid makes it the controlling terminal: Ctrl-C is a signal then. A shell has its background jobs ignore it.
        self.process = subprocess.Popen(
            ["env", "--default-signal=INT,QUIT", "setsid", "--ctty", "--wait", *map(str, command)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**inherited, "TERM": "xterm-256color", **(env or {})},
        )
        self._theirs = theirs

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for descriptor in (self._ours, self._theirs):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def rows(self) -> list[str]:
        """What is shown, without blank rows."""
        return [row.rstrip() for row in self.screen.display if row.strip()]

    def read_until(self, is_reached: Callable[[], bool]) -> None:
        """Show what is written until then."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_reached():
            assert time.monotonic() < deadline, "\n".join(self.rows())
            if select.select([self._ours], [], [], 0.2)[0]:
                data = os.read(self._ours, 65536)
                self.raw += data
                self._stream.feed(data)

    def read_for(self, *words: str) -> None:
        """Show what is written until all the words are there."""
        self.read_until(lambda: all(word in "\n".join(self.rows()) for word in words))

    def read_to_end(self) -> int:
        """Its exit status, once all that it wrote is shown."""
        self.read_until(lambda: self.process.poll() is not None and not select.select([self._ours], [], [], 0)[0])
        return self.process.returncode

    def hang_up(self) -> None:
        """The terminal is gone."""
        os.close(self._ours)
