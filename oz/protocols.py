"""What the phases need of a running guest and of time, whoever provides it: the other half of model.

Besides the real ones in oz/host, tests have a domain that follows a script and a clock of their own.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from oz.model import Hardware, Machine


class Clock(Protocol):
    """Time as the waiting code sees it, so that tests can bring their own."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class RealClock:
    """The clock of this machine; the only place that sleeps."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEvent:
    """Something that happened to a running domain."""

    kind: Literal["power-off", "stopped", "reboot", "crash", "marker", "console", "log"]
    """power-off: by the guest. stopped: QEMU ended for any other reason. marker: `text` is a line that
    the guest sent on the marker port. console, log: `text` is a line of its console or of its installer's log, or of
    the console what there is of a line that has not ended, such as a question."""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Totals since the start; what changes between two looks is activity."""

    disk_requests: int
    network_bytes: int
    cpu_s: float = 0.0
    """Of all its processors together."""
    delay_s: float = 0.0
    """In which they had work, and this host no processor for them."""


class Domain(Protocol):
    """A running virtual machine."""

    @property
    def name(self) -> str: ...

    def next_event(self, timeout_s: float) -> DomainEvent | None:
        """The next event, in order; None if none came in time."""

    def counters(self) -> Counters: ...

    def console_tail(self, lines: int) -> str:
        """The last lines of the console, harmless to print."""

    def screenshot(self, stem: Path) -> Path | None:
        """Save the screen as STEM plus the format's suffix; None where it cannot be had."""

    def ssh_address(self, timeout_s: float) -> tuple[str, int]:
        """Host and port at which the guest's port 22 can be reached.

        Raises GuestError if the guest gets no address in time, or ends before; HostError."""

    def press_enter(self) -> None:
        """Press the key and let it go. Harmless when nobody is there any more."""

    def request_power_off(self) -> None:
        """Press the power button."""

    def destroy(self) -> None:
        """End it at once; returns when QEMU is gone. Harmless when it already is."""


class Hypervisor(Protocol):
    def check_name(self, name: str, uuid: str | None = None) -> None:
        """Raises HostError if it has a domain of that name already; one with `uuid` may be there, but not running."""

    def check_hardware(self, hardware: Hardware, domain_type: str) -> None:
        """Raises HostError if this host lacks an emulator of that type, or a firmware, for such a machine."""

    def emulator_version(self) -> str:
        """Such as "QEMU 7.2.22". Raises HostError if no emulator is installed."""

    def start(self, machine: Machine, *, console_log: Path | None = None, installer_log: Path | None = None) -> Domain:
        """Start a transient domain. The caller destroys it. With `installer_log`, which holds what the installer logs,
        lines of that and of the console are events. Raises HostError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that ended in the guest."""

    status: int
    stdout: bytes
    stderr: bytes


class Shell(Protocol):
    """A root shell in the guest."""

    def run(self, script: bytes, *, timeout_s: float | None = None, label: str = "the script") -> Ran:
        """Run a shell script, which messages call `label`; a non-zero status is not an error here.

        Raises GuestError if it takes longer than `timeout_s`, or if the connection ends."""

    def put(self, content: bytes | Path, path: str, *, mode: int = 0o644) -> None:
        """Write a file, making its directories. Raises GuestError."""

    def close(self) -> None: ...
