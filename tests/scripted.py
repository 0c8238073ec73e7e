"""A domain that follows a script, and a clock that it moves: what waits for a guest can be tested in no time."""

import queue
from collections.abc import Iterable, Mapping
from pathlib import Path

from oz.protocols import Counters, DomainEvent


class FakeClock:
    """Time passes only when somebody sleeps or waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class ScriptedDomain:
    """model.Domain: events come at their second after the start; disk requests grow until `busy_until_s`, the
    network's bytes by `network_bytes_s` for ever. Half a processor is used until `computing_until_s`, and waited
    for in the share `delay` of the time.

    `on_power_button` is what follows, at once, when the power button is pressed.
    """

    def __init__(
        self,
        clock: FakeClock,
        script: Iterable[tuple[float, DomainEvent]] = (),
        *,
        name: str = "scripted",
        busy_until_s: float = float("inf"),
        network_bytes_s: float = 0,
        computing_until_s: float = 0,
        delay: float = 0,
        address: tuple[str, int] = ("127.0.0.1", 22),
        on_power_button: Iterable[DomainEvent] = (),
        console: str = "",
        screens: Mapping[str, bytes] | None = None,
    ) -> None:
        self.name = name
        self.is_destroyed = False
        self.pressed_at_s: list[float] = []
        self._clock = clock
        self._start = clock.now
        self._script = list(script)
        self._busy_until_s = busy_until_s
        self._network_bytes_s = network_bytes_s
        self._computing_until_s = computing_until_s
        self._delay = delay
        self._address = address
        self._on_power_button = list(on_power_button)
        self._console = console
        self._screens = screens or {}

    def next_event(self, timeout_s: float) -> DomainEvent | None:
        elapsed = self._clock.now - self._start
        if self._script and self._script[0][0] <= elapsed + timeout_s:
            at, event = self._script.pop(0)
            self._clock.now = max(self._clock.now, self._start + at)
            return event
        self._clock.now += timeout_s
        return None

    def counters(self) -> Counters:
        elapsed = self._clock.now - self._start
        requests = int(min(elapsed, self._busy_until_s) * 10)
        # A tick now and then is no work.
        cpu_s = min(elapsed, self._computing_until_s) * 0.5 + elapsed * 0.01
        delay_s = elapsed * self._delay
        network_bytes = int(elapsed * self._network_bytes_s)
        return Counters(disk_requests=requests, network_bytes=network_bytes, cpu_s=cpu_s, delay_s=delay_s)

    def console_tail(self, lines: int) -> str:
        return "\n".join(self._console.splitlines()[-lines:])

    def screenshot(self, stem: Path) -> Path | None:
        for suffix, data in self._screens.items():
            path = stem.with_name(stem.name + suffix)
            path.write_bytes(data)
            return path
        return None

    def ssh_address(self, timeout_s: float) -> tuple[str, int]:
        return self._address

    def press_enter(self) -> None:
        self.pressed_at_s.append(self._clock.now - self._start)

    def request_power_off(self) -> None:
        now = self._clock.now - self._start
        self._script[:0] = [(now, event) for event in self._on_power_button]

    def destroy(self) -> None:
        self.is_destroyed = True


class LiveDomain(ScriptedDomain):
    """Its events come from another thread, when that wants."""

    def __init__(self, *, address: tuple[str, int] = ("127.0.0.1", 22), console: str = "") -> None:
        super().__init__(FakeClock(), address=address, console=console)
        self.events: queue.SimpleQueue[DomainEvent] = queue.SimpleQueue()

    def next_event(self, timeout_s: float) -> DomainEvent | None:
        try:
            return self.events.get(timeout=timeout_s)
        except queue.Empty:
            return None
