"""A connection to the guest's sshd, whatever shell is behind it: command lines, and the words for a lost connection."""

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import paramiko

from oz.errors import HostError, UnresponsiveError
from oz.host.ssh.channels import OverdueError, collect, send, words_of
from oz.protocols import Ran

CHANNEL_TIMEOUT_S = 120
"""For what the guest's sshd alone has to do; software emulation is slow."""
LOST = (paramiko.SSHException, EOFError, OSError)


class SshShell(ABC):
    """protocols.Shell over one connection. Close it, or use it in a `with`."""

    channel_timeout_s: float = CHANNEL_TIMEOUT_S

    def __init__(self, transport: paramiko.Transport, place: str, host_key: str) -> None:
        self.transport = transport
        self._place = place
        self._host_key = host_key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def host_keys(self) -> tuple[str, ...]:
        """The key that the server proved, as in known_hosts but without the host's name."""
        return (self._host_key,)

    def close(self) -> None:
        self.transport.close()

    @abstractmethod
    def run(
        self,
        script: bytes,
        *,
        timeout_s: float | None = None,
        on_output: Callable[[bytes], None] | None = None,
        label: str = "the script",
    ) -> Ran:
        """Run a script in the shell's own language. Its standard input is empty.

        Of each stream the first and last 8 MiB are kept; `on_output` gets all of both as it comes. `label` is what
        messages call the script. Raises GuestError if the connection ends, or if the script runs longer than
        `timeout_s`.
        """

    @abstractmethod
    def put(self, content: bytes | Path, path: str, *, mode: int = 0o644) -> None:
        """Write a file by one rename, making its directories. Raises GuestError; HostError if it cannot be read."""

    def execute(
        self,
        command: str,
        *,
        content: IO[bytes] | None = None,
        timeout_s: float | None,
        label: str,
        on_output: Callable[[bytes], None] | None = None,
    ) -> Ran:
        """Have the login shell run a line, with `content` on its standard input. The limit begins when all of it is
        sent."""
        with self.lost(label), self.session(lambda channel: channel.exec_command(command)) as channel:
            try:
                if content is not None:
                    send(channel, content)
                channel.shutdown_write()
                deadline = None if timeout_s is None else time.monotonic() + timeout_s
                return collect(channel, deadline, on_output)
            except OverdueError as error:
                raise UnresponsiveError(f"{label} did not end within {timeout_s:g} s") from error

    @contextmanager
    def session(self, request: Callable[[paramiko.Channel], None]) -> Iterator[paramiko.Channel]:
        """A channel whose request has been answered: that, as each read and write of it, within `channel_timeout_s`."""
        channel = self.transport.open_session(timeout=self.channel_timeout_s)
        try:
            channel.settimeout(self.channel_timeout_s)
            # paramiko waits for the answer for ever.
            limit = threading.Timer(self.channel_timeout_s, channel.close)
            limit.start()
            try:
                request(channel)
            finally:
                limit.cancel()
            yield channel
        finally:
            channel.close()

    @contextmanager
    def lost(self, label: str) -> Iterator[None]:
        try:
            yield
        except LOST as error:
            reason = self.transport.get_exception() or error
            raise UnresponsiveError(
                f"the connection to the guest at {self._place} was lost during {label}: {words_of(reason)}",
                hint="see what became of the guest's sshd and of its network",
            ) from error


@contextmanager
def opened(content: bytes | Path) -> Iterator[tuple[IO[bytes], int]]:
    """What is to be written, for reading, and its length. Raises HostError if it cannot be read."""
    if isinstance(content, bytes):
        yield BytesIO(content), len(content)
        return
    try:
        file = content.open("rb")
    except OSError as error:
        raise HostError(f"cannot read {content}: {error.strerror or error}") from error
    with file:
        yield file, os.fstat(file.fileno()).st_size
