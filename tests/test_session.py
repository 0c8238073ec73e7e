"""Sessions: in this host's own sshd, behind a domain of whose end the test decides. Nothing here powers a guest off
but by a shell that only says so."""

import os
import shutil
import socket
import stat
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import paramiko
import pytest
from plans import sample_tdl
from scripted import LiveDomain
from test_ssh import SSHD, free_port, make_key, serve_as_of_2000

from oz import config as oz_config
from oz import session as sessions
from oz.build import Build, Options, open_build
from oz.customize import carry_out, check_changeable, commit
from oz.domain import domain_xml
from oz.errors import GuestError, HostError, HostKeyError, UsageError
from oz.guests import guest_for
from oz.host import access, disk, ssh
from oz.host.waiting import EndWatch
from oz.model import Content, Drive, Hardware, Machine, RunCommand, Settings
from oz.protocols import DomainEvent, Ran
from oz.session import Image, Session, find_image, open_session, power_off
from oz.units import MIB

needs_root = pytest.mark.skipif(os.geteuid() != 0 or SSHD is None, reason="only root's sshd lets root in")
PATIENCE_S = 60


@dataclass(frozen=True)
class Starter:
    """model.Hypervisor that has started its domain already."""

    domain: LiveDomain

    def check_name(self, name: str, uuid: str | None = None) -> None:
        pass

    def check_hardware(self, hardware: Hardware, domain_type: str) -> None:
        pass

    def start(self, machine: Machine, *, console_log: Path | None = None) -> LiveDomain:
        assert machine.disk and machine.disk.path.name == "session.qcow2"
        return self.domain


@dataclass(frozen=True)
class Obedient:
    """model.Shell in which everything succeeds."""

    said: list[bytes]

    def run(self, script: bytes, *, timeout_s: float | None = None, label: str = "the script") -> Ran:
        self.said.append(script)
        return Ran(status=0, stdout=b"", stderr=b"")

    def put(self, content: bytes | Path, path: str, *, mode: int = 0o644) -> None:
        pass

    def close(self) -> None:
        self.said.append(b"closed")


@contextmanager
def building(directory: Path, **options: object) -> Iterator[Build]:
    """A build for the image f.dsk of 1 MiB in `directory`."""
    directory.mkdir(exist_ok=True)
    path = directory.parent / "oz.cfg"
    path.write_text(
        f"[paths]\noutput_dir = {directory}\ndata_dir = {directory.parent}/data\n"
        f"screenshot_dir = {directory.parent}/shots\n[timeouts]\nshutdown = 200\n"
    )
    config = oz_config.load(path, is_root=False, home=directory.parent)
    tdl = sample_tdl("12", name="f", rootpw="secret")
    with open_build(
        tdl,
        guest_for(tdl),
        config,
        Settings(),
        Options(**options),  # type: ignore[arg-type]
        image=directory / "f.dsk",
    ) as build:
        yield build


def image_of(build: Build, **changes: object) -> Image:
    path = build.work.parent / "f.dsk"
    disk.create(path, MIB, "raw")
    found = find_image(path, build.tdl, build.guest, build.settings)
    return replace(found, machine=replace(found.machine, **changes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Server:
    port: int
    private_key: str
    host_key: str
    log: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """sshd that lets root in by one key, and logs who tries what."""
    assert SSHD
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    home = tmp_path_factory.mktemp("sshd")
    private = make_key(home / "user", "rsa")
    make_key(home / "host")
    port = free_port()
    (home / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\nUsePAM no\n"
        f"PidFile {home}/pid\nStrictModes no\nPermitRootLogin yes\nLogLevel DEBUG\n"
    )
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", home / "config"], stderr=(home / "log").open("wb"))
    try:
        limit = time.monotonic() + PATIENCE_S
        while b"Server listening" not in (home / "log").read_bytes():
            assert process.poll() is None and time.monotonic() < limit, (home / "log").read_text()
            threading.Event().wait(0.02)
        host_key = " ".join((home / "host.pub").read_text().split()[:2])
        yield Server(port=port, private_key=private, host_key=host_key, log=home / "log")
    finally:
        process.terminate()
        process.wait()


@contextmanager
def running(build: Build, image: Image, server: Server, *host_keys: str) -> Iterator[tuple[Session, LiveDomain]]:
    """A session in `server`, to which the image's own key fits, and of which it knows `host_keys`."""
    access.save(replace(access.new_access(()), private_key=server.private_key, host_keys=host_keys), image.directory)
    domain = LiveDomain(address=("127.0.0.1", server.port), console="so it said\nOut of memory\n")
    try:
        with open_session(image, replace(build, hypervisor=lambda: Starter(domain))) as session:
            yield session, domain
    finally:
        assert domain.is_destroyed


# ------------------------------------------------------------------ what is found


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Build]:
    with building(tmp_path / "images") as build:
        yield build


def described(build: Build, drive: Drive, **changes: object) -> Path:
    """A domain XML that names the disk."""
    image = image_of(build)
    path = build.work.parent / "f.xml"
    machine = replace(image.machine, disk=drive, **changes)  # type: ignore[arg-type]
    path.write_text(domain_xml(machine, persistent=True))
    return path


def find(build: Build, path: Path) -> Image:
    return find_image(path, build.tdl, build.guest, build.settings)


def test_an_xml_does_not_hide_what_a_disk_names(found: Build, tmp_path: Path) -> None:
    base = disk.create(tmp_path / "base", MIB, "raw")
    hostile = disk.overlay(tmp_path / "hostile.qcow2", Drive(path=base))
    with pytest.raises(HostError, match=r"hostile.qcow2 is a qcow2 image that names a backing file"):
        find(found, described(found, Drive(path=hostile, format="qcow2")))


def test_a_disk_that_an_xml_calls_raw_is_not_looked_into(found: Build, tmp_path: Path) -> None:
    """Its guest may write there what it likes."""
    base = disk.create(tmp_path / "base", MIB, "raw")
    dressed = disk.overlay(tmp_path / "dressed", Drive(path=base))
    assert find(found, described(found, Drive(path=dressed, format="raw"))).disk == Drive(path=dressed, format="raw")


def test_an_xml_that_calls_a_disk_what_it_is_not(found: Build, tmp_path: Path) -> None:
    path = disk.create(tmp_path / "d.qcow2", MIB, "qcow2")
    with pytest.raises(UsageError, match=r"d.qcow2 is a qcow2 image, but .*/f.xml calls it vmdk"):
        find(found, described(found, Drive(path=path, format="vmdk")))
    assert find(found, described(found, Drive(path=path, format="qcow2"))).disk.format == "qcow2"
    with pytest.raises(UsageError, match=r"the disk .*/nothing that .*/f.xml names is not there"):
        find(found, described(found, Drive(path=tmp_path / "nothing")))


def test_a_device_is_no_image(found: Build, tmp_path: Path) -> None:
    device = tmp_path / "device"
    if os.geteuid() == 0:
        os.mknod(device, stat.S_IFBLK | 0o600, os.makedev(7, 250))
        for path in (device, described(found, Drive(path=device))):
            with pytest.raises(UsageError, match=r"device is a block device") as caught:
                find(found, path)
            assert "qemu-img convert" in str(caught.value.hint)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe is not a file"):
        find(found, tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into everything")
def test_what_may_not_be_looked_into_is_named(found: Build, tmp_path: Path) -> None:
    image_of(found)
    closed = tmp_path / "images/f.oz"
    closed.mkdir()
    (closed / "vars.fd").touch()
    inside = tmp_path / "closed"
    inside.mkdir()
    disk.create(inside / "d", MIB, "raw")
    xml = described(found, Drive(path=inside / "d"))
    for directory in (closed, inside):
        directory.chmod(0)
    try:
        with pytest.raises(HostError, match=r"the disk .*/closed/d that .*/f.xml names: Permission denied"):
            find(found, xml)
        with pytest.raises(HostError, match=r"f.oz/vars.fd: Permission denied"):
            find(found, tmp_path / "images/f.dsk")
    finally:
        for directory in (closed, inside):
            directory.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_what_could_not_be_kept_is_told_before_the_boot(found: Build, tmp_path: Path) -> None:
    image = image_of(found, nvram=tmp_path / "closed/vars.fd")
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(HostError, match=r"/closed is missing or not writable"):
        check_changeable(image)
    image.disk.path.chmod(0o400)
    with pytest.raises(HostError, match=r"f.dsk is missing or not writable"):
        check_changeable(image)


def test_no_place_for_the_firmware_is_told_before_the_boot(found: Build, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"/nowhere is missing or not writable"):
        check_changeable(image_of(found, nvram=tmp_path / "nowhere/vars.fd"))


# ------------------------------------------------------------------ logging in


@needs_root
def test_no_secret_is_for_an_impostor(tmp_path: Path, server: Server) -> None:
    """Neither the key of the command line, which would open it, nor the password of the template."""
    (tmp_path / "other").mkdir()
    make_key(tmp_path / "other/host")
    pinned = " ".join((tmp_path / "other/host.pub").read_text().split()[:2])
    (tmp_path / "key").write_text(server.private_key)
    before = server.log.stat().st_size
    with building(tmp_path / "images", ssh_key=tmp_path / "key") as build:
        with pytest.raises(HostKeyError, match="is not the guest that was installed") as caught:
            running(build, image_of(build), server, pinned).__enter__()
        assert caught.value.exit_status == 6
    with server.log.open() as log:
        log.seek(before)
        said = log.read()
    assert "SSH2_MSG_KEXINIT sent" in said and "userauth-request" not in said


@needs_root
def test_a_guest_that_proves_its_key_gets_in(tmp_path: Path, server: Server) -> None:
    with (
        building(tmp_path / "images") as build,
        running(build, image_of(build), server, server.host_key) as (session, _),
    ):
        assert session.shell.run(b"echo here").stdout == b"here\n"


def test_a_guest_from_before_rsa_keys_is_opened_by_its_password() -> None:
    keys = access.new_access((), root_password="right")
    guest = guest_for(sample_tdl("8"))
    assert guest.is_legacy_ssh
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: serve_as_of_2000(listener.accept()[0]), daemon=True).start()
        shell = sessions._log_in("127.0.0.1", listener.getsockname()[1], [keys], guest)
        shell.close()


class NoRoot(paramiko.ServerInterface):
    """Knows one user, who is not called root."""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if username == "Administrator" else paramiko.AUTH_FAILED


def test_a_guest_is_entered_as_who_administers_it_and_spoken_to_in_its_language() -> None:
    def serve(client: socket.socket) -> None:
        transport = paramiko.Transport(client)
        transport.add_server_key(paramiko.RSAKey.generate(2048))
        with suppress(paramiko.SSHException, EOFError):
            transport.start_server(server=NoRoot())

    keys = access.new_access(())
    guest = guest_for(sample_tdl("2025", distro="Windows"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: serve(listener.accept()[0]), daemon=True).start()
        shell = sessions._log_in("127.0.0.1", listener.getsockname()[1], [keys], guest)
        assert isinstance(shell, ssh.PowerShell)
        shell.close()


# ------------------------------------------------------------------ while it runs


@needs_root
@pytest.mark.parametrize("kind", ["crash", "stopped", "reboot", "power-off"])
def test_the_end_of_the_guest_ends_its_command(tmp_path: Path, server: Server, kind: str) -> None:
    event = DomainEvent(kind=kind, text="as the test wants")  # type: ignore[arg-type]
    start = time.monotonic()
    words = r"scripted: the guest .*: as the test wants\nthe connection .* was lost during napping"
    with building(tmp_path / "images") as build, pytest.raises(GuestError, match=words):  # noqa: SIM117
        with running(build, image_of(build), server, server.host_key) as (session, domain):
            threading.Timer(1, domain.events.put, [event]).start()
            nap = RunCommand(label="napping", script=Content(data=b"sleep 50"))
            carry_out([nap], session.shell, build)
    assert time.monotonic() - start < 40


@needs_root
def test_a_command_past_its_limit_is_called_by_its_name(tmp_path: Path, server: Server) -> None:
    words = r"napping did not end within 1 s\nlast lines of the console:\n  \| so it said\n  \| Out of memory"
    with building(tmp_path / "images") as build, pytest.raises(GuestError, match=words):  # noqa: SIM117
        with running(build, image_of(build), server, server.host_key) as (session, _):
            nap = RunCommand(label="napping", script=Content(data=b"sleep 50"))
            carry_out([nap], session.shell, replace(build, config=replace(build.config, command_s=1)))


@needs_root
def test_a_lost_connection_is_told_with_what_the_guest_shows(tmp_path: Path, server: Server) -> None:
    words = r"was lost during killing sshd: .*\nlast lines of the console:\n  \| so it said\n  \| Out of memory"
    with building(tmp_path / "images") as build, pytest.raises(GuestError, match=words) as caught:  # noqa: SIM117
        with running(build, image_of(build), server, server.host_key) as (session, _):
            # of this connection alone
            kill = (
                b"pid=$$; while [ $(cat /proc/$pid/comm) != sshd ]; do pid=$(awk '{print $4}' /proc/$pid/stat); done; "
            )
            session.shell.run(kill + b"kill -KILL $pid; sleep 50", label="killing sshd")
    assert "what became of the guest's sshd" in str(caught.value)


@needs_root
def test_a_command_that_fails_is_told_without_a_screen(tmp_path: Path, server: Server) -> None:
    with (
        building(tmp_path / "images") as build,
        pytest.raises(GuestError, match="failing failed with status 3") as caught,
        running(build, image_of(build), server, server.host_key) as (session, _),
    ):
        carry_out([RunCommand(label="failing", script=Content(data=b"exit 3"))], session.shell, build)
    assert "console" not in str(caught.value)


@contextmanager
def mounted(directory: Path, size_bytes: int) -> Iterator[None]:
    """A file system of that size."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "oz-test", str(directory)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this root may not mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(directory: Path) -> None:
    """Leave less than a page."""
    with pytest.raises(OSError, match="No space left"), (directory / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@needs_root
def test_a_disk_that_fills_up_is_the_hosts_failure(tmp_path: Path, server: Server) -> None:
    event = DomainEvent(kind="crash", text="session.qcow2 could not be written: no space left on this host")
    with (
        mounted(tmp_path / "images", 8 * MIB),
        building(tmp_path / "images") as build,
        pytest.raises(HostError, match=r"no space left on this host\n(.*\n)*the file system of .*/images is full"),
        running(build, image_of(build), server, server.host_key) as (session, domain),
    ):
        fill(tmp_path / "images")
        domain.events.put(event)
        session.shell.run(b"sleep 50")


def test_too_little_room_for_a_session_is_told_before_it(tmp_path: Path) -> None:
    with mounted(tmp_path / "images", 8 * MIB), building(tmp_path / "images") as build:
        image = image_of(build)
        fill(tmp_path / "images")
        with pytest.raises(HostError, match=r"\.f\.oz-partial has .* free, but a session in f.dsk needs 2 MiB"):
            open_session(image, build).__enter__()


# ------------------------------------------------------------------ its end


def session_of(build: Build, image: Image, domain: LiveDomain, shell: Obedient, nvram: Path | None = None) -> Session:
    overlay = disk.overlay(build.work / "session.qcow2", image.disk)
    return Session(domain=domain, shell=shell, overlay=overlay, nvram=nvram, watch=EndWatch(domain, shell))


def test_a_guest_that_powers_off(found: Build) -> None:
    domain, shell = LiveDomain(), Obedient([])
    session = session_of(found, image_of(found), domain, shell)
    threading.Timer(0.3, domain.events.put, [DomainEvent(kind="power-off")]).start()
    power_off(session, found)
    assert shell.said == [found.guest.power_off_command.encode()]


def test_a_guest_that_had_powered_off_already(found: Build) -> None:
    domain, shell = LiveDomain(), Obedient([])
    session = session_of(found, image_of(found), domain, shell)
    domain.events.put(DomainEvent(kind="power-off"))
    while b"closed" not in shell.said:
        threading.Event().wait(0.05)
    power_off(session, found)
    assert shell.said == [b"closed"]


def test_a_guest_that_dies_instead_of_powering_off_is_not_waited_for(found: Build) -> None:
    domain = LiveDomain()
    session = session_of(found, image_of(found), domain, Obedient([]))
    start = time.monotonic()
    threading.Timer(0.5, domain.events.put, [DomainEvent(kind="stopped", text="QEMU crashed")]).start()
    with pytest.raises(GuestError, match="stopped from outside: QEMU crashed, while it was to power off"):
        power_off(session, found)
    assert time.monotonic() - start < 60


# ------------------------------------------------------------------ what is kept


def written(session: Session) -> None:
    command = ["qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 0 1M", str(session.overlay)]
    subprocess.run(command, check=True, capture_output=True)


def test_firmware_variables_on_another_file_system_are_kept(found: Build) -> None:
    """Where the image came from elsewhere, its XML says where they lie."""
    directory = Path(f"/dev/shm/ozt-{uuid.uuid4().hex[:8]}")
    directory.mkdir(mode=0o700)
    try:
        (directory / "vars.fd").write_text("old")
        image = image_of(found, nvram=directory / "vars.fd")
        made = found.work / "session-vars.fd"
        made.write_text("new")
        session = session_of(found, image, LiveDomain(), Obedient([]), made)
        session.watch.stop()
        written(session)
        check_changeable(image)
        commit(image, session, found)
        assert [(path.name, path.read_text()) for path in directory.iterdir()] == [("vars.fd", "new")]
        assert image.disk.path.read_bytes() == b"\x5a" * MIB
    finally:
        shutil.rmtree(directory)


def test_missing_firmware_variables_are_left_to_libvirt(found: Build, tmp_path: Path) -> None:
    image = image_of(found, nvram=tmp_path / "nothing.fd")
    copy = sessions._copy_nvram(image, found)
    assert copy and not copy.exists()
    with pytest.raises(HostError, match=r"variables .* cannot be copied: Is a directory"):
        sessions._copy_nvram(replace(image, machine=replace(image.machine, nvram=tmp_path)), found)


def test_nothing_is_written_where_not_all_would_fit(tmp_path: Path) -> None:
    with mounted(tmp_path / "images", 8 * MIB), building(tmp_path / "images") as build:
        image = image_of(build)
        session = session_of(build, image, LiveDomain(), Obedient([]))
        session.watch.stop()
        written(session)
        fill(tmp_path / "images")
        with pytest.raises(HostError, match=r"images has .* free, but writing the changes into f.dsk needs 1"):
            commit(image, session, build)
        assert not image.disk.path.read_bytes().strip(b"\0")
        assert not [path for path in build.work.parent.glob(".vars*")]
