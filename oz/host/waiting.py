"""Waiting for a guest: until it powers itself off, or answers by ssh. Takes its domain, connection and clock."""

import math
import threading
from collections.abc import Callable
from typing import Literal

from oz.errors import GuestError, InstallError, NotReadyError
from oz.protocols import Clock, Counters, Domain, DomainEvent, Shell

_LOOK_S = 5.0  # how often the counters are looked at
_RETRY_S = 1.0
ENDS = ("power-off", "stopped", "crash")
_NOTICE_S = 0.25  # how long the end of a watch may have to wait for its thread
_CHATTER_BYTES = 4096
"""What a network may say by itself between two looks: router announcements (libslirp: every 200 to 600 s), ARP,
spanning tree. A guest that waits at a question receives them too."""
_IDLE_SHARE = 0.05
"""Of one processor. A text installer that waits at a question was measured at 0.006, under software emulation."""
_STARVED_SHARE = 0.5
"""Of the time, in which a guest either computed or waited for a processor of a host of more guests than processors: one
that computes has been given next to nothing there; one that is idle waits at each tick of its clock, but not long."""


def wait_boot(
    domain: Domain,
    *,
    reboots: int,
    limit_s: float,
    inactivity_s: float,
    idle_s: float = math.inf,
    enter_s: float = 0,
    clock: Clock,
    ends: Literal["power-off", "reset"] = "power-off",
    on_marker: Callable[[str], None] | None = None,
    on_line: Callable[[str, str], tuple[str, str] | None] | None = None,
    on_look: Callable[[Counters], None] | None = None,
) -> tuple[str, ...]:
    """The marker lines of this life of the domain, once the guest has ended it: by powering itself off, or by the
    reset that follows `reboots` others.

    Raises InstallError, in words, at one reset more, at a crash, when it was stopped from outside, after `limit_s`,
    after `inactivity_s` without a disk request, a packet or a marker, and already after `idle_s` if its processors had
    nothing to do either. In the first `enter_s`, until it resets itself, Enter is pressed every second. `on_line` gets
    "console" or "log" and a line of it; what and the hint that it answers are a failure at once. `on_look` gets what
    the guest has done so far, whenever it is looked at.
    """
    watch = _Watch(domain, clock, on_look)
    markers: list[str] = []
    while True:
        look_s = min(_LOOK_S, limit_s, inactivity_s, idle_s)
        enters = watch.press_enter(enter_s)
        event = domain.next_event(
            max(0.0, min(_RETRY_S if enters else look_s, watch.start + limit_s - clock.monotonic()))
        )
        if event and event.kind == "power-off":
            return tuple(markers)
        if event and event.kind == "marker":
            markers.append(event.text)
            watch.is_active()
            if on_marker:
                on_marker(event.text)
        elif event and event.kind == "reboot":
            watch.reboots += 1
            if watch.reboots > reboots and ends == "reset":
                return tuple(markers)
            if watch.reboots > reboots:
                raise watch.failure(_describe_reboots(watch.reboots, reboots))
        elif event and event.kind in ("console", "log"):
            if on_line and (failure := on_line(event.kind, event.text)):
                raise watch.failure(*failure)
        elif event:
            raise watch.failure(describe_event(event))
        watch.look(look_s)
        if watch.idle_s() >= idle_s:
            raise watch.failure(
                f"the guest showed no activity for {idle_s:.0f} s: no disk request, no packet, its processors idle"
            )
        if watch.inactive_s() >= inactivity_s:
            raise watch.failure(f"the guest showed no activity for {inactivity_s:.0f} s: no disk request, no packet")
        if watch.elapsed_s() >= limit_s:
            raise watch.failure(f"the guest had not powered itself off by its limit of {limit_s:.0f} s")


class _Watch:
    """What is known of a guest's activity."""

    def __init__(self, domain: Domain, clock: Clock, on_look: Callable[[Counters], None] | None) -> None:
        self._domain = domain
        self._clock = clock
        self._on_look = on_look
        self.start = self._looked = self._active = self._busy = clock.monotonic()
        self._pressed = -math.inf
        self._counters = Counters(disk_requests=0, network_bytes=0)
        self.reboots = 0

    def elapsed_s(self) -> float:
        return self._clock.monotonic() - self.start

    def inactive_s(self) -> float:
        return self._clock.monotonic() - self._active

    def idle_s(self) -> float:
        return self._clock.monotonic() - max(self._active, self._busy)

    def press_enter(self, for_s: float) -> bool:
        """Whether it is time for that: it was pressed, unless it has been a moment ago."""
        now = self._clock.monotonic()
        if self.reboots or now >= self.start + for_s:
            return False
        if now >= self._pressed + _RETRY_S:
            self._domain.press_enter()
            self._pressed = now
        return True

    def is_active(self) -> None:
        self._active = self._clock.monotonic()

    def look(self, interval_s: float) -> None:
        now = self._clock.monotonic()
        if now - self._looked < interval_s:
            return
        passed_s, self._looked = now - self._looked, now
        before, self._counters = self._counters, self._domain.counters()
        disk = self._counters.disk_requests - before.disk_requests
        network = self._counters.network_bytes - before.network_bytes
        if disk or network >= _CHATTER_BYTES:
            self._active = now
        computed_s = self._counters.cpu_s - before.cpu_s
        wanted_s = computed_s + self._counters.delay_s - before.delay_s
        if computed_s >= _IDLE_SHARE * passed_s or wanted_s >= _STARVED_SHARE * passed_s:
            self._busy = now
        if self._on_look:
            self._on_look(self._counters)

    def failure(self, what: str, hint: str | None = None) -> InstallError:
        return InstallError(f"{self._domain.name}: {what} ({self.elapsed_s():.0f} s after its start)", hint=hint)


def _describe_reboots(count: int, expected: int) -> str:
    if expected == 0:
        return "the guest reset itself, which was not expected"
    return f"the guest reset itself {count} times; expected were {expected}"


def describe_event(event: DomainEvent) -> str:
    """What became of the guest, in words."""
    what = {
        "power-off": "the guest powered itself off",
        "stopped": "the guest was stopped from outside",
        "reboot": "the guest reset itself",
        "crash": "the guest crashed",
        "marker": "the guest sent a marker",
    }[event.kind]
    return f"{what}: {event.text}" if event.text else what


def wait_ssh(domain: Domain, connect: Callable[[str, int], Shell], *, limit_s: float, clock: Clock) -> Shell:
    """A shell in the guest, as soon as `connect` (host, port) gives one instead of NotReadyError.

    Any other error of `connect` is final. Raises GuestError after `limit_s`, also if the guest has no address by
    then, and at once when the domain ends.
    """
    deadline = clock.monotonic() + limit_s
    host, port = domain.ssh_address(limit_s)
    while True:
        try:
            return connect(host, port)
        except NotReadyError as error:
            reason = error
        retry_at = min(clock.monotonic() + _RETRY_S, deadline)
        while (left_s := retry_at - clock.monotonic()) > 0:
            event = domain.next_event(left_s)
            if event and event.kind in ENDS:
                raise GuestError(
                    f"{domain.name}: {describe_event(event)}, before it answered by ssh",
                    hint="the console log shows how far it came",
                ) from reason
        if clock.monotonic() >= deadline:
            raise GuestError(
                f"{domain.name}: no ssh login at {host} port {port} within {limit_s:.0f} s: {reason.message}",
                hint="does the guest run sshd, and get an address by DHCP? The console log may tell",
            ) from reason


class EndWatch:
    """Sees a domain end while its shell is in use, and closes the shell: a command in it would wait for hours.

    Takes the domain's events until it is told to stop.
    """

    def __init__(self, domain: Domain, shell: Shell) -> None:
        self._domain = domain
        self._shell = shell
        self._end: DomainEvent | None = None
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="oz-end", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        is_new = False
        while not self._is_stopped.is_set():
            event = self._domain.next_event(_NOTICE_S if is_new else 0)
            # A reset that nobody had read of was before the login.
            is_new = is_new or event is None
            if event and (event.kind in ENDS or (event.kind == "reboot" and is_new)):
                self._end = event
                self._shell.close()
                return

    def stop(self) -> DomainEvent | None:
        """How the domain ended; None if it runs. Harmless the second time."""
        self._is_stopped.set()
        self._thread.join()
        return self._end


def wait_off(domain: Domain, *, limit_s: float, clock: Clock) -> bool:
    """Whether the guest powered itself off in time. Raises GuestError if it ended in any other way."""
    deadline = clock.monotonic() + limit_s
    while (left_s := deadline - clock.monotonic()) > 0:
        event = domain.next_event(left_s)
        if event and event.kind == "power-off":
            return True
        if event and event.kind in ("stopped", "crash"):
            raise GuestError(
                f"{domain.name}: {describe_event(event)}, while it was to power off",
                hint="the console log shows how far it came",
            )
    return False
