"""The serial ports of a running guest: the console for people, the marker for us, and with it, or on a port of its own,
the installer's log. What comes in is hostile."""

import codecs
import contextlib
import os
import re
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from oz.marks import LOG
from oz.protocols import DomainEvent

CONSOLE_BYTES_MAX = 64 * 1024**2
MARKER_CHARACTERS_MAX = 16 * 1024
# UEFI firmware and its boot menus talk on every serial port; a guest that floods it is a hostile one.
MARKER_LINES_MAX = 20_000
_TAIL_LINES = 500
_TAIL_CHARACTERS = 1000
_DRAIN_BYTES = 4 * 1024**2
_QUIET_S = 0.3  # after which a line that has not ended is a question, or a number that grows

# ECMA-48: a control sequence; a control string up to BEL or ST; any other escape.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*([@-~])|[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[ -/]*[0-OQ-WYZ\\`-~])")
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]{0,4096}\x1b?|[ -/]*)?\Z|\r\Z")
# C0 and C1 controls, and what reorders or hides text in a terminal.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_CURSOR = "ABEFHJdf"
_CARRY_MAX = 4200


class Cleaner:
    """Bytes of a terminal, in pieces, to text that is harmless to print: lines, tabs and what is visible.

    Movements of the cursor become line ends, so that a full-screen installer stays readable.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._carry = ""

    def feed(self, data: bytes, *, is_last: bool = False) -> str:
        text = self._carry + self._decoder.decode(data, is_last)
        self._carry = ""
        begun = None if is_last else _BEGUN.search(text, max(0, len(text) - _CARRY_MAX))
        if begun:
            text, self._carry = text[: begun.start()], text[begun.start() :]
        text = _ESCAPE.sub(lambda match: "\n" if match[1] and match[1] in _CURSOR else "", text)
        return _HARMFUL.sub("", re.sub(r"\r+\n?", "\n", text))


class Console:
    """The text of the console, or of the installer's log, in a log of limited size, mode 0600, and its last lines.

    `tell` gets each line, cut where it is very long.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        bytes_max: int = CONSOLE_BYTES_MAX,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._cleaner = Cleaner()
        self._tell = tell
        self.is_waiting = False
        """There is the beginning of a line that nobody was told of."""
        self._lines: deque[str] = deque(maxlen=_TAIL_LINES)
        self._partial = ""
        self._lock = threading.Lock()
        self._fd = -1
        if path:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            self._room = bytes_max - os.fstat(self._fd).st_size

    def feed(self, data: bytes, *, is_last: bool = False) -> None:
        self.write(self._cleaner.feed(data, is_last=is_last))
        if is_last:
            self.tell_partial()

    def write(self, text: str) -> None:
        """Add text that is clean."""
        with self._lock:
            *whole, self._partial = (self._partial + text).split("\n")
            # A screen full of cursor movements leaves many empty lines.
            lines = [line[:_TAIL_CHARACTERS] for line in whole if line.strip()]
            self._lines.extend(lines)
            self._partial = self._partial[-_TAIL_CHARACTERS:]
        self._log(text.encode())
        if self._tell and text:
            for line in lines:
                self._tell(line)
            self.is_waiting = bool(self._partial.strip())

    def tell_partial(self) -> None:
        if self._tell and self.is_waiting:
            self.is_waiting = False
            self._tell(self._partial)

    def _log(self, data: bytes) -> None:
        if self._fd < 0 or not data:
            return
        try:
            os.write(self._fd, data[: max(self._room, 0)])
            self._room -= len(data)
            if self._room <= 0:
                os.write(self._fd, b"\n[the log ends here: the guest writes too much]\n")
                self.close()
        except OSError:
            # A full disk must not end the guest's reader: the guest would stall on its port.
            self.close()

    def tail(self, lines: int) -> str:
        with self._lock:
            last = [*self._lines, self._partial] if self._partial.strip() else list(self._lines)
        return "\n".join(last[-lines:]) if lines > 0 else ""

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Marker:
    """The marker port's lines: cleaned, of limited length and number; those of the installer's log go to `log`."""

    def __init__(self, log: Callable[[str], None] = lambda text: None) -> None:
        self._cleaner = Cleaner()
        self._log = log
        self._partial = ""
        self._left = MARKER_LINES_MAX

    def feed(self, data: bytes, *, is_last: bool = False) -> list[str]:
        text = self._partial + self._cleaner.feed(data, is_last=is_last)
        *lines, self._partial = text.split("\n")
        if is_last:
            lines.append(self._partial)
            self._partial = ""
        self._partial = self._partial[:MARKER_CHARACTERS_MAX]
        told = [line.removeprefix(LOG) for line in lines if line.startswith(LOG)]
        if told:
            self._log("".join(f"{line}\n" for line in told))
        found = [line[:MARKER_CHARACTERS_MAX].strip() for line in lines if line.strip() and not line.startswith(LOG)]
        found = found[: self._left]
        self._left -= len(found)
        return found


class Ports:
    """A thread that reads the ports and puts the domain's events in order.

    `deliver` gets every event in that thread; an event given to `post` comes after all that the guest
    had sent before it happened. Lines are events where there is an installer's log to be kept.
    """

    def __init__(
        self,
        *,
        console: socket.socket | None,
        marker: socket.socket | None,
        console_log: Path | None,
        deliver: Callable[[DomainEvent], None],
        channel: socket.socket | None = None,
        installer_log: Path | None = None,
    ) -> None:
        self._deliver = deliver
        listens = installer_log is not None
        self.console = Console(console_log, tell=self._teller("console") if listens else None)
        self.log = Console(installer_log, tell=self._teller("log") if listens else None)
        self._marker = Marker(self.log.write)
        self._posted: deque[DomainEvent | None] = deque()
        self._wake, self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._readers: dict[socket.socket, Callable[[bytes], None]] = {}
        for port, feed in ((console, self.console.feed), (marker, self._feed_marker), (channel, self.log.feed)):
            if port:
                port.setblocking(False)
                self._readers[port] = feed
                self._selector.register(port, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="oz-serial", daemon=True)
        self._thread.start()

    def _teller(self, kind: Literal["console", "log"]) -> Callable[[str], None]:
        return lambda line: self._deliver(DomainEvent(kind=kind, text=line))

    def post(self, event: DomainEvent | None) -> None:
        self._posted.append(event)
        with contextlib.suppress(OSError):
            self._waker.send(b"x")

    def close(self) -> None:
        """Read what is left, then end the thread; harmless the second time."""
        if self._thread.is_alive():
            self.post(None)
            self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            ready = {key.fileobj for key, _ in self._selector.select(_QUIET_S if self.console.is_waiting else None)}
            if not ready:
                self.console.tell_partial()
            for port in [port for port in self._readers if port in ready]:
                self._read(port)
            if self._wake in ready:
                self._wake.recv(4096)
                is_open = self._take_posted()
        for text in (self.console, self.log):
            text.feed(b"", is_last=True)
            text.close()
        for open_socket in (*self._readers, self._wake, self._waker):
            open_socket.close()
        self._selector.close()

    def _take_posted(self) -> bool:
        while self._posted:
            event = self._posted.popleft()
            for port in list(self._readers):
                left = _DRAIN_BYTES
                while left > 0 and (got := self._read(port)):
                    left -= got
            if event is None:
                return False
            if event.kind in ("power-off", "stopped", "crash"):
                self._feed_marker(b"", is_last=True)
                self.console.tell_partial()
            self._deliver(event)
        return True

    def _read(self, port: socket.socket) -> int:
        """The bytes read; 0 at the end, or when there is nothing now."""
        try:
            data = port.recv(65536)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if data:
            self._readers[port](data)
        else:
            self._selector.unregister(port)
            del self._readers[port]
            port.close()
        return len(data)

    def _feed_marker(self, data: bytes, *, is_last: bool = False) -> None:
        for line in self._marker.feed(data, is_last=is_last):
            self._deliver(DomainEvent(kind="marker", text=line))
