"""Every way a wait can end, with a scripted domain and a clock of our own."""

import threading
from typing import Literal

import pytest
from scripted import FakeClock, LiveDomain, ScriptedDomain

from oz.errors import GuestError, HostError, InstallError, NotReadyError
from oz.host.waiting import EndWatch, describe_event, wait_boot, wait_off, wait_ssh
from oz.protocols import Domain, DomainEvent, Ran, Shell

OFF = DomainEvent(kind="power-off")
REBOOT = DomainEvent(kind="reboot")


def marker(text: str) -> DomainEvent:
    return DomainEvent(kind="marker", text=text)


def boot(
    *script: tuple[float, DomainEvent],
    reboots: int = 0,
    limit_s: float = 1000,
    busy_until_s: float = 1e9,
    ends: Literal["power-off", "reset"] = "power-off",
) -> object:
    """What wait_boot returned; or its message, and the second at which it gave up."""
    clock = FakeClock()
    domain: Domain = ScriptedDomain(clock, script, busy_until_s=busy_until_s)
    try:
        return wait_boot(domain, reboots=reboots, limit_s=limit_s, inactivity_s=120, clock=clock, ends=ends)
    except InstallError as error:
        return f"{error.message} @{clock.now - 1000:.0f}"


def test_markers_come_back_in_order_and_are_told_at_once() -> None:
    clock = FakeClock()
    told: list[tuple[str, float]] = []
    domain = ScriptedDomain(clock, [(3, marker("a")), (50, marker("b")), (60, OFF)])

    def tell(text: str) -> None:
        told.append((text, clock.now))

    lines = wait_boot(domain, reboots=0, limit_s=100, inactivity_s=99, clock=clock, on_marker=tell)
    assert lines == ("a", "b")
    assert told == [("a", 1003), ("b", 1050)]


def test_enter_is_pressed_every_second_until_its_time_is_over() -> None:
    clock = FakeClock()
    domain = ScriptedDomain(clock, [(0.5, marker("a")), (1.5, marker("b")), (60, OFF)])
    assert wait_boot(domain, reboots=0, limit_s=100, inactivity_s=99, enter_s=4, clock=clock) == ("a", "b")
    assert domain.pressed_at_s == [0, 1.5, 2.5, 3.5]


def test_enter_is_pressed_at_the_first_start_alone() -> None:
    """It would boot the CD again, and Setup would begin anew."""
    clock = FakeClock()
    domain = ScriptedDomain(clock, [(2.5, REBOOT), (60, OFF)])
    wait_boot(domain, reboots=1, limit_s=100, inactivity_s=99, enter_s=20, clock=clock)
    assert domain.pressed_at_s == [0, 1, 2]


def test_a_failure_is_told_while_enter_is_pressed() -> None:
    clock = FakeClock()
    domain = ScriptedDomain(clock, [(3, DomainEvent(kind="crash", text="so it is"))])
    with pytest.raises(InstallError, match="the guest crashed: so it is"):
        wait_boot(domain, reboots=1, limit_s=100, inactivity_s=99, enter_s=20, clock=clock)
    assert clock.now == 1003


def test_as_many_reboots_as_expected_are_fine() -> None:
    assert boot((5, REBOOT), (9, REBOOT), (20, OFF), reboots=2) == ()


def test_one_reboot_more_ends_it_at_once() -> None:
    assert boot((5, REBOOT), (500, OFF)) == (
        "scripted: the guest reset itself, which was not expected (5 s after its start) @5"
    )
    assert "reset itself 2 times; expected were 1 (9 s" in str(boot((5, REBOOT), (9, REBOOT), reboots=1))


def test_an_installer_may_end_with_a_reset() -> None:
    assert boot((3, marker("a")), (5, REBOOT), (9, OFF), ends="reset") == ("a",)
    assert boot((3, REBOOT), (5, marker("b")), (9, REBOOT), reboots=1, ends="reset") == ("b",)
    assert boot((3, marker("a")), (5, OFF), ends="reset") == ("a",)


def test_a_crash_and_a_stop_from_outside_end_it_at_once() -> None:
    crash = DomainEvent(kind="crash", text="the guest's kernel panicked")
    assert str(boot((7, crash))).endswith("the guest crashed: the guest's kernel panicked (7 s after its start) @7")
    stopped = DomainEvent(kind="stopped", text="it was destroyed")
    assert "was stopped from outside: it was destroyed (8 s" in str(boot((8, stopped)))


def test_the_limit_is_kept_to_the_second() -> None:
    assert str(boot(limit_s=1003)).endswith("by its limit of 1003 s (1003 s after its start) @1003")


def test_events_without_end_do_not_outlast_the_limit() -> None:
    assert "limit of 30 s (30 s" in str(boot(*((i / 10, marker("x")) for i in range(10000)), limit_s=30))


def test_inactivity_is_noticed_soon_after_it_lasted_long_enough() -> None:
    found = str(boot(busy_until_s=300))
    assert "no activity for 120 s" in found
    assert 420 <= float(found.partition("@")[2]) <= 432


def test_who_waits_for_an_answer_is_noticed_sooner_than_who_computes() -> None:
    for computing_until_s, idle_s, at_s, words in (
        (50, 60, 100, "60 s: .*, its processors idle"),
        (1e9, 60, 300, "300 s: .* no packet "),
        # What a user has set is both limits.
        (0, 300, 300, "300 s: .*, its processors idle"),
    ):
        clock = FakeClock()
        domain: Domain = ScriptedDomain(clock, busy_until_s=40, computing_until_s=computing_until_s)
        with pytest.raises(InstallError, match=words):
            wait_boot(domain, reboots=0, limit_s=1000, inactivity_s=300, idle_s=idle_s, clock=clock)
        assert at_s <= clock.now - 1000 <= at_s + 60


def test_whom_a_busy_host_gives_no_processor_is_not_idle() -> None:
    """One that waits at a question waits there for its ticks as well, a part of the time."""
    for delay, words in ((0.9, r"for 300 s: .* no packet "), (0.2, r"for 60 s: .* its processors idle ")):
        clock = FakeClock()
        domain: Domain = ScriptedDomain(clock, busy_until_s=40, delay=delay)
        with pytest.raises(InstallError, match=words):
            wait_boot(domain, reboots=0, limit_s=1000, inactivity_s=300, idle_s=60, clock=clock)


def test_the_networks_own_chatter_is_no_activity() -> None:
    """The user network announces its router every few minutes, a bridge its tree every two seconds."""
    for rate, ends in ((30, True), (5000, False)):
        clock = FakeClock()
        domain: Domain = ScriptedDomain(clock, busy_until_s=100, network_bytes_s=rate)
        words = "no activity for 120 s" if ends else "by its limit"
        with pytest.raises(InstallError, match=words):
            wait_boot(domain, reboots=0, limit_s=1000, inactivity_s=120, clock=clock)


def test_a_marker_is_activity() -> None:
    assert boot((100, marker("a")), (200, marker("b")), (310, OFF), busy_until_s=0) == ("a", "b")


class Greeting:
    """A shell that was reached."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def run(self, script: bytes, *, timeout_s: float | None = None, label: str = "the script") -> Ran:
        return Ran(status=0, stdout=b"", stderr=b"")

    def put(self, content: object, path: str, *, mode: int = 0o644) -> None:
        pass

    def close(self) -> None:
        self.closed.set()


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (DomainEvent(kind="crash", text="no space"), "the guest crashed: no space"),
        (DomainEvent(kind="stopped"), "the guest was stopped from outside"),
        (REBOOT, "the guest reset itself"),
        (OFF, "the guest powered itself off"),
    ],
)
def test_the_end_of_the_domain_closes_its_shell(event: DomainEvent, words: str) -> None:
    domain, shell = LiveDomain(), Greeting()
    domain.events.put(REBOOT)  # from before the login
    watch = EndWatch(domain, shell)
    assert not shell.closed.wait(0.5)
    domain.events.put(marker("x"))
    domain.events.put(event)
    assert shell.closed.wait(30)
    end = watch.stop()
    assert end and end == watch.stop() == event
    assert describe_event(end) == words


def test_who_stops_watching_gets_the_events_again() -> None:
    domain, shell = LiveDomain(), Greeting()
    watch = EndWatch(domain, shell)
    assert watch.stop() is None
    domain.events.put(OFF)
    assert domain.next_event(0) == OFF
    assert not shell.closed.is_set()


def ssh(*script: tuple[float, DomainEvent], ready_at: float = 1e9, limit_s: float = 60) -> float:
    """The seconds until a login."""
    clock = FakeClock()

    def connect(host: str, port: int) -> Shell:
        assert (host, port) == ("127.0.0.1", 22)
        if clock.now - 1000 < ready_at:
            raise NotReadyError("connection refused")
        return Greeting()

    wait_ssh(ScriptedDomain(clock, script), connect, limit_s=limit_s, clock=clock)
    return clock.now - 1000


def test_ssh_is_tried_again_until_it_answers() -> None:
    assert ssh(ready_at=0) == 0
    assert ssh(ready_at=30) == 30


def test_other_events_do_not_shorten_the_pauses_between_tries() -> None:
    assert ssh(*((i / 100, marker("x")) for i in range(2000)), ready_at=5) == 5


def test_ssh_that_never_comes_up_names_the_last_reason() -> None:
    with pytest.raises(GuestError, match=r"no ssh login at 127.0.0.1 port 22 within 60 s: connection refused"):
        ssh()


@pytest.mark.parametrize(
    ("event", "words"),
    [(OFF, "powered itself off, before it"), (DomainEvent(kind="crash", text="panic"), "crashed: panic, before it")],
)
def test_the_end_of_the_domain_ends_the_wait_for_ssh(event: DomainEvent, words: str) -> None:
    with pytest.raises(GuestError, match=words):
        ssh((10, event))


def test_any_other_error_of_a_login_is_final() -> None:
    clock = FakeClock()

    def connect(host: str, port: int) -> Shell:
        raise HostError("the key cannot be read")

    with pytest.raises(HostError, match="the key cannot be read"):
        wait_ssh(ScriptedDomain(clock), connect, limit_s=60, clock=clock)
    assert clock.now == 1000


def test_power_off_is_seen_or_its_limit() -> None:
    for script, expected in (([(3, OFF)], True), ([], False)):
        clock = FakeClock()
        assert wait_off(ScriptedDomain(clock, script), limit_s=20, clock=clock) is expected


def test_any_other_end_than_a_power_off_is_told_at_once() -> None:
    clock = FakeClock()
    stopped = DomainEvent(kind="stopped", text="QEMU crashed")
    with pytest.raises(GuestError, match="scripted: the guest was stopped from outside: QEMU crashed, while it was to"):
        wait_off(ScriptedDomain(clock, [(3, stopped)]), limit_s=20, clock=clock)
    assert clock.now == 1003


def test_the_power_button_is_answered_as_scripted() -> None:
    clock = FakeClock()
    domain = ScriptedDomain(clock, on_power_button=[OFF])
    domain.request_power_off()
    assert wait_off(domain, limit_s=20, clock=clock)
    assert clock.now == 1000
