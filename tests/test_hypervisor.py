"""Embedded QEMU with guests of 512 bytes: what they say and do arrives, in order, at once, and harmless."""

import contextlib
import json
import os
import platform
import re
import signal
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from guest import tiny
from plans import sample_plan, sample_tdl

from oz.domain import domain_xml
from oz.errors import HostError, InstallError
from oz.failures import Listener
from oz.host import hypervisor as hypervisors
from oz.host import kvm
from oz.host.hypervisor import LibvirtHypervisor, serial
from oz.host.hypervisor.running import RunningDomain
from oz.host.processes import await_end
from oz.host.waiting import wait_boot
from oz.model import Drive, Hardware, Machine, Network, Rng
from oz.protocols import DomainEvent, RealClock

ROOT = Path(__file__).parents[1]
NUMBERS = count()
PATIENCE_S = 60.0


def machine(directory: Path, sector: bytes, *, machine_type: str = "q35", **changes: object) -> Machine:
    """A small PC with this boot sector on its disk. Its sockets are in the given, short, directory."""
    number = next(NUMBERS)
    fields: dict[str, object] = {
        "name": f"tiny{number}",
        "uuid": str(uuid.uuid4()),
        "mac": "52:54:00:00:00:01",
        "domain_type": "qemu",
        "cpus": 1,
        "hardware": Hardware(
            arch="x86_64", machine_type=machine_type, firmware="bios", memory_bytes=64 * 1024**2, disk_bus="virtio",
            nic_model="virtio",
        ),
        "network": Network(),
        "rng": Rng(),
        "disk": Drive(path=tiny.write_disk(directory / f"disk{number}", sector)),
        "console_socket": directory / "c",
        "marker_socket": directory / "m",
        "vnc_socket": directory / "v",
    }  # fmt: skip
    return Machine(**(fields | changes))  # type: ignore[arg-type]


@contextlib.contextmanager
def running(
    connection: LibvirtHypervisor, described: Machine, *, console_log: Path | None = None
) -> Iterator[RunningDomain]:
    domain = connection.start(described, console_log=console_log)
    try:
        yield domain
    finally:
        domain.destroy()


def events(domain: RunningDomain, *, until: str) -> list[DomainEvent]:
    """All events up to the first of that kind."""
    found: list[DomainEvent] = []
    deadline = time.monotonic() + PATIENCE_S
    while not found or found[-1].kind != until:
        event = domain.next_event(1)
        assert time.monotonic() < deadline, found
        if event:
            found.append(event)
    return found


def emulators(word: Path | str) -> list[int]:
    """Processes of QEMU that name `word`, zombies excepted."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            text = path.read_bytes()
            if text.startswith(b"qemu-system") or b"/qemu-system" in text.split(b"\0")[0]:
                found += [int(path.parent.name)] if str(word).encode() in text else []
    return found


def await_none(word: Path | str) -> None:
    """Return once no QEMU names `word` any more."""
    for pid in emulators(word):
        with contextlib.suppress(ProcessLookupError):
            assert await_end(os.pidfd_open(pid), PATIENCE_S)


def test_enter_reaches_the_guest(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    """Pressed until it has come to ask, and of no harm when it is gone."""
    with running(hypervisor, machine(short_dir, tiny.answers_enter(b"nonce-0123\r\n"))) as domain:
        limits = {"limit_s": PATIENCE_S, "inactivity_s": PATIENCE_S, "enter_s": PATIENCE_S}
        lines = wait_boot(domain, reboots=0, **limits, clock=RealClock())
        assert [line.strip() for line in lines] == ["nonce-0123"]
        domain.press_enter()


def test_a_nonce_then_power_off(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    """Seen at once, not when libvirt has seen QEMU end, up to 2 s later: on a busy host, in one of several tries."""
    took_s = []
    for machine_type in ("q35", "pc", "q35", "q35"):
        described = machine(short_dir, tiny.sender(b"nonce-0123\r\n", tiny.POWER_OFF), machine_type=machine_type)
        told: list[float] = []
        with running(hypervisor, described) as domain:
            lines = wait_boot(
                domain, reboots=0, limit_s=PATIENCE_S, inactivity_s=PATIENCE_S, clock=RealClock(),
                on_marker=lambda _text, told=told: told.append(time.monotonic()),
            )  # fmt: skip
            # The guest powers off within microseconds of its last byte.
            took_s.append(time.monotonic() - told[0])
        assert lines == ("nonce-0123",)
        assert not emulators(described.name)
        if len(took_s) > 1 and min(took_s) < 0.5:
            break
    assert min(took_s) < 0.5


def test_a_line_without_its_end_comes_before_the_power_off(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    with running(hypervisor, machine(short_dir, tiny.sender(b"one\ntwo", tiny.POWER_OFF))) as domain:
        assert [(event.kind, event.text) for event in events(domain, until="power-off")] == [
            ("marker", "one"), ("marker", "two"), ("power-off", ""),
        ]  # fmt: skip


def test_two_lives_with_the_same_sockets_and_log(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    log = short_dir / "two-lives.log"
    for text in (b"first\n", b"second\n"):
        sector = tiny.sender(text, tiny.POWER_OFF, port=tiny.COM1)
        with running(hypervisor, machine(short_dir, sector), console_log=log) as domain:
            events(domain, until="power-off")
            domain.destroy()
            assert domain.console_tail(5) == text.decode().strip()
    assert log.read_text() == "first\nsecond\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_failure_in_the_installers_log_ends_the_wait_at_once(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    """By the marker port, in a machine that has a virtio port for another log as well."""
    log = short_dir / "installer.log"
    text = b"oz-log all well\n\x1b[2Jone\noz-log in-target: E: Unable to locate package nope\n"
    described = machine(
        short_dir, tiny.sender(text, tiny.HALT), log_channel="org.example.log", log_socket=short_dir / "l"
    )
    told: list[float] = []
    listener = Listener("debian-installer", "preseed.cfg", "")

    def hear(port: str, line: str) -> tuple[str, str] | None:
        told.append(time.monotonic())
        return listener.hear(port, line)

    domain = hypervisor.start(described, installer_log=log)
    try:
        with pytest.raises(InstallError, match=r"is not there: 'in-target: E: Unable to locate package nope' \(\d+ s"):
            wait_boot(domain, reboots=0, limit_s=PATIENCE_S, inactivity_s=PATIENCE_S, clock=RealClock(), on_line=hear)
        assert time.monotonic() - told[0] < 2
    finally:
        domain.destroy()
    assert log.read_text() == "all well\nin-target: E: Unable to locate package nope\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_question_without_the_end_of_its_line_is_told(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    sector = tiny.sender(b"Hostname:\r\nPrompt: '?' for help> ", tiny.HALT, port=tiny.COM1)
    domain = hypervisor.start(machine(short_dir, sector), installer_log=short_dir / "question.log")
    try:
        with pytest.raises(InstallError, match=r"'Hostname:' \(netcfg/get_hostname\)"):
            wait_boot(
                domain,
                reboots=0,
                limit_s=PATIENCE_S,
                inactivity_s=PATIENCE_S,
                clock=RealClock(),
                on_line=Listener("debian-installer", "preseed.cfg", "").hear,
            )
    finally:
        domain.destroy()


def test_what_a_hostile_guest_prints_is_harmless(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    log = short_dir / "hostile.log"
    text = b"\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m\x00\x07\x08\xff\x9b31m\r\n"
    text += b"\x1bP1;2q\x1b\\\xe2\x80\xaeevil\r\r\nend\x1b["
    with running(
        hypervisor, machine(short_dir, tiny.sender(text, tiny.POWER_OFF, port=tiny.COM1)), console_log=log
    ) as domain:
        events(domain, until="power-off")
        domain.destroy()
        assert domain.console_tail(3) == "red\ufffd\ufffd31m\nevil\nend["
    assert not re.search(r"[^\n\t\x20-\x7e\ufffd]", log.read_text())


def test_a_reset_is_seen_once_and_ends_an_installation_that_expects_none(
    hypervisor: LibvirtHypervisor, short_dir: Path
) -> None:
    sector = tiny.sender(b"up\n", tiny.resets(1) + tiny.POWER_OFF)
    with running(hypervisor, machine(short_dir, sector)) as domain:
        kinds = [event.kind for event in events(domain, until="power-off")]
    assert kinds == ["marker", "reboot", "marker", "power-off"]
    with (
        running(hypervisor, machine(short_dir, tiny.sector(tiny.TRIPLE_FAULT))) as domain,
        pytest.raises(InstallError, match="the guest reset itself, which was not expected"),
    ):
        wait_boot(domain, reboots=0, limit_s=PATIENCE_S, inactivity_s=PATIENCE_S, clock=RealClock())


def test_guests_that_reset_for_ever_are_counted(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    with (
        running(hypervisor, machine(short_dir, tiny.sector(tiny.RESET))) as domain,
        pytest.raises(InstallError, match="reset itself 2 times; expected were 1"),
    ):
        wait_boot(domain, reboots=1, limit_s=PATIENCE_S, inactivity_s=PATIENCE_S, clock=RealClock())


def test_a_guest_that_hangs_is_inactive(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    """Whether its processor turns round or is halted."""
    for stop in (tiny.SPIN, tiny.HALT):
        with running(hypervisor, machine(short_dir, tiny.sender(b"up\n", stop))) as domain:
            events(domain, until="marker")
            with pytest.raises(InstallError, match="no activity for 1 s"):
                wait_boot(domain, reboots=0, limit_s=PATIENCE_S, inactivity_s=1, clock=RealClock())


def test_a_guest_that_waits_is_idle_and_one_that_turns_round_is_not(
    hypervisor: LibvirtHypervisor, short_dir: Path
) -> None:
    for stop, words in ((tiny.HALT, "its processors idle"), (tiny.SPIN, "by its limit of 9 s")):
        with running(hypervisor, machine(short_dir, tiny.sender(b"up\n", stop))) as domain:
            events(domain, until="marker")
            with pytest.raises(InstallError, match=words):
                wait_boot(domain, reboots=0, limit_s=9, inactivity_s=PATIENCE_S, idle_s=2, clock=RealClock())


def test_a_guest_that_reads_its_disk_is_active_till_its_limit(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    with running(hypervisor, machine(short_dir, tiny.sender(b"up\n", tiny.READ_DISK_FOREVER))) as domain:
        events(domain, until="marker")
        with pytest.raises(InstallError, match="powered itself off by its limit of 4 s"):
            wait_boot(domain, reboots=0, limit_s=4, inactivity_s=3, clock=RealClock())


def test_an_end_from_outside_is_seen_and_destroy_is_harmless_then(
    hypervisor: LibvirtHypervisor, short_dir: Path
) -> None:
    described = machine(short_dir, tiny.sender(b"up\n", tiny.HALT))
    with running(hypervisor, described) as domain:
        events(domain, until="marker")
        [pid] = emulators(described.name)
        os.kill(pid, signal.SIGKILL)
        assert events(domain, until="stopped")[-1].text
        domain.destroy()
        domain.destroy()
        assert domain.counters() == domain.counters()
        assert domain.screenshot(short_dir / "none") is None


def test_power_button_screenshot_and_port(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    sector = tiny.sender(b"up\n", tiny.AWAIT_BUTTON + tiny.POWER_OFF)
    with running(hypervisor, machine(short_dir, sector)) as domain:
        events(domain, until="marker")
        assert domain.counters().disk_requests > 0
        assert domain.counters().delay_s > 0
        picture = domain.screenshot(short_dir / "screen")
        assert picture and picture.read_bytes().startswith({".png": b"\x89PNG", ".ppm": b"P6"}[picture.suffix])
        host, port = domain.ssh_address(1)
        assert (host, port) == domain.ssh_address(1)
        listening = re.findall(r"^ *\d+: (\w+):(\w+) 0+:0000 0A", Path("/proc/net/tcp").read_text(), re.MULTILINE)
        assert ("0100007F", f"{port:04X}") in listening, "QEMU listens on the loopback address and nowhere else"
        while domain.next_event(0.2) is None:  # pressed again until the guest has its button enabled
            domain.request_power_off()


def test_two_domains_at_once_have_their_own_ports(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    other = short_dir / "o"
    other.mkdir(exist_ok=True)
    with (
        running(hypervisor, machine(short_dir, tiny.sender(b"a\n", tiny.HALT))) as first,
        running(hypervisor, machine(other, tiny.sender(b"b\n", tiny.HALT))) as second,
    ):
        assert events(second, until="marker")[-1].text == "b"
        assert events(first, until="marker")[-1].text == "a"
        assert first.ssh_address(1)[1] != second.ssh_address(1)[1]


def test_what_cannot_start_says_why_and_leaves_nothing(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    sector = tiny.sector(tiny.HALT)
    hardware = machine(short_dir, sector).hardware
    cases = [
        ({"disk": Drive(path=short_dir / "absent")}, r"absent: missing or not readable"),
        ({"marker_socket": short_dir / ("x" * 100)}, r"too long for a socket"),
        ({"marker_socket": short_dir / "no/such/m"}, r"cannot start tiny\d+: .*no/such/m"),
        ({"disk": Drive(path=tiny.write_disk(short_dir / "raw", sector), format="qcow2")}, r"not in qcow2 format"),
    ]
    for changes, message in cases:
        with pytest.raises(HostError, match=message):
            hypervisor.start(machine(short_dir, sector, **changes))
    if not hypervisor.supports("s390x"):
        import dataclasses

        foreign = dataclasses.replace(hardware, arch="s390x", machine_type="s390-ccw-virtio")
        with pytest.raises(HostError, match="no emulator of type qemu for s390x"):
            hypervisor.start(machine(short_dir, sector, hardware=foreign))
    assert not emulators(short_dir)


def test_what_a_user_defines_boots(hypervisor: LibvirtHypervisor, short_dir: Path) -> None:
    described = machine(short_dir, tiny.sector(tiny.HALT))
    import libvirt

    # The same driver by another connection, as virsh would have it.
    connection = libvirt.open(hypervisor.uri)
    domain = connection.defineXML(domain_xml(described, persistent=True))
    try:
        domain.create()
        assert domain.isActive()
        domain.destroy()
    finally:
        domain.undefine()
        connection.close()


def test_the_machine_that_is_planned_for_arm_starts_and_can_be_defined(
    hypervisor: LibvirtHypervisor, short_dir: Path
) -> None:
    """Its board has no USB of its own, nor a second serial port; its firmware says something on the first one."""
    import libvirt

    if not hypervisor.supports("aarch64"):
        pytest.skip("no qemu-system-aarch64")
    hardware = sample_plan(sample_tdl("13", "aarch64")).hardware
    sector = tiny.sector(tiny.HALT)
    cdrom = Drive(path=tiny.write_disk(short_dir / "arm-cd", sector))
    described = machine(short_dir, sector, hardware=hardware, cdroms=(cdrom,), nvram=short_dir / "vars.fd")
    log = short_dir / "arm.log"
    with running(hypervisor, described, console_log=log):
        deadline = time.monotonic() + PATIENCE_S
        while not (log.exists() and b"UEFI" in log.read_bytes()):
            assert time.monotonic() < deadline, log.read_bytes()
            RealClock().sleep(0.05)
    connection = libvirt.open(hypervisor.uri)
    try:
        domain = connection.defineXML(domain_xml(described, persistent=True))
        domain.create()
        domain.destroy()
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
    finally:
        connection.close()


def test_the_log_is_cut_at_its_limit(short_dir: Path) -> None:
    console = serial.Console(short_dir / "capped.log", bytes_max=100)
    for _ in range(50):
        console.feed(b"0123456789\n")
    console.close()
    assert (short_dir / "capped.log").stat().st_size < 200
    assert (short_dir / "capped.log").read_text().endswith("[the log ends here: the guest writes too much]\n")
    assert console.tail(1) == "0123456789"


def test_marker_lines_are_limited_in_length_and_number() -> None:
    marker = serial.Marker()
    assert marker.feed(b"x" * 10**6 + b"\nnext\n") == ["x" * serial.MARKER_CHARACTERS_MAX, "next"]
    assert len(marker.feed(b"y\n" * 30_000)) == serial.MARKER_LINES_MAX - 2
    assert marker.feed(b"z\n") == []


def test_escapes_cut_anywhere_are_still_removed() -> None:
    text = b"a\x1b[1;31mb\x1b]0;t\x1b\\c\x1b(Bd\xc3\xa4\r\ne\x1b[5;1Hf"
    for cut in range(len(text)):
        cleaner = serial.Cleaner()
        assert cleaner.feed(text[:cut]) + cleaner.feed(text[cut:], is_last=True) == "abcd\u00e4\ne\nf"


def test_endless_escapes_are_not_kept_in_memory() -> None:
    cleaner = serial.Cleaner()
    start = time.monotonic()
    for piece in (b"\x1b[" + b"0" * 10**6, b"\x1b]" * 10**5, b"\r" * 10**6, b"\x1b" * 10**6):
        cleaner.feed(piece)
    assert time.monotonic() - start < 10


def test_connections_that_fail_say_why(tmp_path: Path, short_dir: Path, hypervisor: LibvirtHypervisor) -> None:
    cases = [
        ("qemu+ssh://elsewhere/system", r"a hypervisor on another host"),
        ("nonsense:///", r"cannot connect to nonsense:///: .*\n  hint: "),
        ("auto", r"this process already runs virtual machines under"),
    ]
    for uri, message in cases:
        with pytest.raises(HostError, match=message), hypervisors.connect(uri, root=tmp_path, cache_dir=tmp_path):
            pass


def test_libvirts_own_test_driver_is_no_place_for_us(tmp_path: Path) -> None:
    with (
        pytest.raises(HostError, match=r"test:///default: its hypervisor is TEST, not QEMU\n  hint: "),
        hypervisors.connect("test:///default", root=tmp_path, cache_dir=tmp_path),
    ):
        pass


def test_the_probe_says_what_it_found_and_never_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "file").touch()
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    assert kvm.probe(tmp_path / "file/cache") in (True, False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kvm.probe(tmp_path / "cache") is False or platform.machine() != "x86_64"
    said = [record.getMessage() for record in caplog.records if record.name == "oz.host.kvm"]
    assert len(said) == 2 and all(line.startswith("/dev/kvm ") for line in said)
    if os.access("/dev/kvm", os.R_OK | os.W_OK) and platform.machine() == "x86_64":
        assert said[1] == (
            "/dev/kvm cannot be tried without qemu-system-x86_64: emulating, which is some ten times slower"
        )


NO_TEMPORARY = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from oz.host import kvm
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
assert kvm.probe(Path({cache!r})) in (True, False)
"""


def test_the_probe_does_not_fail_without_room_for_its_floppy(tmp_path: Path) -> None:
    script = NO_TEMPORARY.format(root=str(ROOT), cache=str(tmp_path / "cache"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_probe_sector_ends_under_software_emulation_and_the_answer_is_kept(tmp_path: Path) -> None:
    assert any(kvm.run_sector("qemu-system-x86_64", accelerator="tcg") for _ in range(5))
    assert not kvm.run_sector("qemu-system-x86_64", accelerator="none-such")
    first = kvm.probe(tmp_path / "cache")
    kept = tmp_path / "cache/kvm-probe.json"
    if kept.exists():  # else there is nothing to try
        kept.write_text(json.dumps(json.loads(kept.read_text()) | {"works": not first}))
        assert kvm.probe(tmp_path / "cache") is not first


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {root!r}]
from guest import tiny
from test_hypervisor import events, machine
from oz.host.hypervisor import connect
from oz.host.journal import open_journal
work = Path({work!r})
with open_journal(work / "builds", name="killed", runtime_dir=work) as journal:
    journal.will_make(work / "half")
    (work / "half").touch()
    with connect("auto", root=journal.root, cache_dir=Path({cache!r})) as connection:
        domain = connection.start(machine(work, tiny.sender(b"up\\n", tiny.HALT)))
        events(domain, until="marker")
        print("up", connection.emulator_version(), flush=True)
        sys.stdin.read()
"""


def start_child(work: Path, cache: Path, *prefix: str) -> subprocess.Popen[str]:
    work.mkdir(mode=0o700, exist_ok=True)
    script = CHILD.format(tests=str(ROOT / "tests"), root=str(ROOT), work=str(work), cache=str(cache))
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/"
    )


def test_killed_oz_takes_its_qemu_along(short_dir: Path, capabilities_cache: Path) -> None:
    work = short_dir / "k"
    with start_child(work, capabilities_cache) as child:
        assert child.stdout and child.stdout.readline().startswith("up")
        assert emulators(work)
        child.send_signal(signal.SIGKILL)
        await_none(work)


def test_without_its_lifeline_recovery_ends_it(short_dir: Path, capabilities_cache: Path) -> None:
    from oz.host.journal import recover

    work = short_dir / "r"
    with start_child(work, capabilities_cache) as child:
        assert child.stdout and child.stdout.readline().startswith("up")
        found = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if _is_lifeline(path, work)]
        assert len(found) == 2, "its own, and the guard of every QEMU of the connection"
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        child.send_signal(signal.SIGKILL)
    assert emulators(work)
    assert recover(work / "builds", commit=lambda overlay: None) == ("killed",)
    assert not emulators(work)
    assert not (work / "half").exists()
    assert sorted(path.name for path in work.iterdir() if path.is_dir()) == ["builds"]


def _is_lifeline(cmdline: Path, work: Path) -> bool:
    with contextlib.suppress(OSError, IndexError, ValueError):
        words = cmdline.read_bytes().split(b"\0")
        if b"outlive(" in words[2]:
            return os.fsencode(work) + b"/" in words[4]
        return b"read -r _ ||" in words[2] and int(words[3]) in emulators(work)
    return False


def _can_others_read(path: Path) -> bool:
    return all(directory.stat().st_mode & stat.S_IXOTH for directory in (path, *path.resolve().parents))


@pytest.mark.skipif(os.geteuid() != 0, reason="already an ordinary user")
@pytest.mark.skipif(not _can_others_read(ROOT), reason="an ordinary user cannot read this directory")
def test_an_ordinary_user_can_do_it_too(tmp_path_factory: pytest.TempPathFactory, short_dir: Path) -> None:
    work = Path(f"/tmp/ozu{os.getpid()}")
    work.mkdir(mode=0o700)
    os.chown(work, 65534, 65534)
    try:
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/nonexistent")
        with start_child(work, work / "cache", *prefix) as child:
            assert child.stdout and child.stdout.readline().startswith("up QEMU")
            [pid] = emulators(work)
            assert Path(f"/proc/{pid}").stat().st_uid == 65534
            assert child.stdin
            child.stdin.close()
            assert child.wait(timeout=PATIENCE_S) == 0
        assert not emulators(work)
        assert not (work / "half").exists()
    finally:
        subprocess.run(["rm", "-rf", work], check=True)
