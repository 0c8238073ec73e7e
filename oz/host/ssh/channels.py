"""The two ends of a command in the guest: what goes in, what comes out, and the words for what went wrong."""

import select
import time
from collections.abc import Callable
from typing import IO

import paramiko

from oz.errors import HostError
from oz.protocols import Ran

CAPTURE_BYTES = 8 * 1024**2
"""So much is kept of the beginning and of the end of each stream of output."""

_CHUNK = 128 * 1024
_QUIET_S = 2.0
"""After the end of a command: for output on the way. A daemon that it left may hold the stream open for ever."""
_DRAIN_S = 30.0
_WORDS_MAX = 300


class OverdueError(Exception):
    """A command ran longer than it may."""


class _Capture:
    """The beginning and the end of a stream, and how much was between."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        room = CAPTURE_BYTES - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        # Not for every chunk: cutting the front of a bytearray moves the rest.
        if len(self._tail) > 2 * CAPTURE_BYTES:
            self._cut()

    def _cut(self) -> None:
        excess = max(0, len(self._tail) - CAPTURE_BYTES)
        del self._tail[:excess]
        self._dropped += excess

    def value(self) -> bytes:
        self._cut()
        gap = b"\n[%d bytes left out]\n" % self._dropped if self._dropped else b""
        return bytes(self._head) + gap + bytes(self._tail)


def send(channel: paramiko.Channel, content: IO[bytes]) -> None:
    """Write all to the command's standard input; a command that ends early says why by its status."""
    while True:
        try:
            chunk = content.read(_CHUNK)
        except OSError as error:
            raise HostError(f"cannot read {getattr(content, 'name', 'it')}: {error.strerror or error}") from error
        if not chunk:
            return
        try:
            channel.sendall(chunk)
        except TimeoutError:
            raise
        except OSError:
            if channel.get_transport().is_active():
                return
            raise


def collect(channel: paramiko.Channel, deadline: float | None, on_output: Callable[[bytes], None] | None) -> Ran:
    """Read both streams to the end of the command."""
    stdout, stderr = _Capture(), _Capture()
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    ended = last = 0.0
    while True:
        now = time.monotonic()
        if deadline is not None and now > deadline:
            raise OverdueError
        # Before the buffers are looked at: what comes before the end is in them then.
        is_at_end = channel.closed or channel.eof_received
        data = channel.recv(_CHUNK) if channel.recv_ready() else b""
        errors = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
        stdout.add(data)
        stderr.add(errors)
        if data or errors:
            last = now
            if on_output is not None:
                on_output(data + errors)
            continue
        if channel.exit_status_ready():
            ended = ended or now
            if is_at_end or now - max(ended, last) > _QUIET_S or now - ended > _DRAIN_S:
                return Ran(status=_status(channel), stdout=stdout.value(), stderr=stderr.value())
            poll.poll(100)
        elif is_at_end:
            # The descriptor stays readable from now on: polling it would not wait.
            channel.status_event.wait(0.5)
        else:
            poll.poll(500)


def _status(channel: paramiko.Channel) -> int:
    """The exit status; -1 after a signal. Raises EOFError if there is none because the connection ended."""
    status = channel.recv_exit_status()
    if status == -1:
        # paramiko closes the channels of a lost connection a little before it calls the connection inactive.
        transport = channel.get_transport()
        transport.join(1.0)
        if not transport.is_active():
            raise EOFError
    return status


def words_of(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "it closed the connection"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    # paramiko repeats what the server says, however long.
    return clean((getattr(error, "strerror", None) or str(error) or type(error).__name__)[:_WORDS_MAX])


def said(result: Ran) -> str:
    """The last lines that a command wrote, or its status where it wrote nothing."""
    return clean(result.stderr[-500:].decode(errors="replace")) or f"status {result.status}"


def clean(text: str) -> str:
    """A stranger's words, harmless to print."""
    return "".join(char if char.isprintable() else " " for char in text).strip()
