"""Other libvirts than the embedded one: what users define there, and Oz itself through oz.cfg's uri."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import pytest
from guest import daemon, tiny, tinycd
from guest.daemon import Daemon
from programs import command, write_config

from oz.domain import domain_xml, machine_from_xml
from oz.errors import HostError
from oz.host import disk, hypervisor
from oz.host.hypervisor.running import RunningDomain, arp_address
from oz.model import Drive, Hardware, Machine, Network, Rng

pytestmark = [
    pytest.mark.skipif(not daemon.is_installed(), reason="without libvirtd"),
    pytest.mark.skipif(bool(tinycd.missing_tools()), reason=f"without {tinycd.missing_tools()}"),
]
needs_system = pytest.mark.skipif(not daemon.can_be_system(), reason="needs root and mount namespaces")
PATIENCE_S = 120.0
Run = subprocess.CompletedProcess[str]

_SEND = tiny.send(tiny.COM1, 0x100, 4)
_PRESSED = b"\xba\x00\x06\xed\xf6\xc4\x01"  # mov dx,0x600; in ax,dx; test ah,1: PM1a_STS, the power button
_AGAIN = b"\x74" + bytes([256 - len(_SEND + _PRESSED) - 2])  # jz to the sending
TALKS_UNTIL_BUTTON = tiny.sector(
    tiny.out_word(0x602, 0x0100) + _SEND + _PRESSED + _AGAIN + tiny.POWER_OFF, b"up\r\n"
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def own_process() -> None:
    if "LIBVIRT_LOG_OUTPUTS" in os.environ:
        pytest.skip("libvirt is embedded in this process, which can connect to no daemon now: run this file alone")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A short directory that every user can enter."""
    directory = Path(tempfile.mkdtemp(prefix="ozu", dir="/tmp"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def session(place: Path) -> Iterator[Daemon]:
    with daemon.session_daemon(place / "s") as running:
        yield running


@pytest.fixture(scope="module")
def system(place: Path) -> Iterator[Daemon]:
    with daemon.system_daemon(place / "y") as running:
        yield running


@pytest.fixture(scope="module")
def networked(place: Path) -> Iterator[Daemon]:
    with daemon.system_daemon(place / "n", own_network=True) as running:
        yield running


@pytest.fixture(scope="module")
def cds(place: Path) -> Path:
    for variant in ("finish", "hang"):
        tinycd.build(place / f"{variant}.iso", variant).chmod(0o644)
    return place


def virsh(user: Daemon, *arguments: str | Path) -> str:
    run = subprocess.run(
        [*user.prefix, "virsh", "-q", "-c", user.uri, *map(str, arguments)],
        env=user.environment, capture_output=True, text=True, timeout=PATIENCE_S, cwd="/",
    )  # fmt: skip
    assert run.returncode == 0, (arguments, run.stderr)
    return run.stdout.strip()


def await_state(user: Daemon, name: str, state: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (found := virsh(user, "domstate", "--reason", name)) != state:
        assert time.monotonic() < deadline, found
        threading.Event().wait(0.1)


def own_directory(place: Path, user: Daemon, name: str) -> Path:
    directory = place / name
    directory.mkdir(mode=0o755)
    if user.prefix:
        os.chown(directory, daemon.NOBODY, daemon.NOBODY)
    return directory


def machine(directory: Path, *, firmware: str, machine_type: str, disk: Drive, nvram: Path | None = None) -> Machine:
    """A small PC, named as its directory."""
    hardware = Hardware(
        arch="x86_64", machine_type=machine_type, firmware="efi" if firmware == "efi" else "bios",
        memory_bytes=256 * 1024**2, disk_bus="virtio", nic_model="virtio",
    )  # fmt: skip
    return Machine(
        name=directory.name, uuid=str(uuid.uuid4()), mac="52:54:00:00:00:07", domain_type="qemu", cpus=1,
        hardware=hardware, network=Network(), rng=Rng(), disk=disk, disk_cache="writeback", nvram=nvram,
    )  # fmt: skip


def write_template(path: Path, name: str, iso: Path) -> None:
    path.write_text(
        f"<template><name>{name}</name><os><name>Debian</name><version>13</version><arch>x86_64</arch>"
        f"<install type='iso'><iso>file://{iso}</iso></install></os><disk><size>2 GiB</size></disk></template>\n"
    )


def start_install(user: Daemon, directory: Path, iso: Path, *, name: str, uri: str) -> subprocess.Popen[str]:
    config = write_config(directory, libvirt_uri=uri, libvirt_type="qemu", libvirt_memory="32")
    template = directory / f"{name}.tdl"
    write_template(template, name, iso)
    return subprocess.Popen(
        [*user.prefix, *command("oz-install", "-c", config, template)],
        env=user.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd="/",
    )  # fmt: skip


def install(user: Daemon, directory: Path, iso: Path, *, name: str, uri: str) -> Run:
    """oz-install, to its end."""
    process = start_install(user, directory, iso, name=name, uri=uri)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


# ------------------------------------------------------------------ what users do with NAME.xml


@pytest.mark.parametrize("machine_type", ["pc", "q35"])
@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_virsh_defines_starts_and_shuts_down(place: Path, session: Daemon, machine_type: str, firmware: str) -> None:
    name = f"{firmware}-{machine_type}"
    directory = own_directory(place, session, name)
    path = tiny.write_disk(directory / "disk.dsk", TALKS_UNTIL_BUTTON)
    path.chmod(0o666)
    nvram = directory / "vars.fd" if firmware == "efi" else None
    described = machine(directory, firmware=firmware, machine_type=machine_type, disk=Drive(path=path), nvram=nvram)
    hardware = described.hardware
    xml = directory / "domain.xml"
    xml.write_text(domain_xml(described, persistent=True))
    virsh(session, "define", "--validate", xml)
    try:
        kept = machine_from_xml(virsh(session, "dumpxml", "--inactive", name).encode(), name)
        assert kept.hardware.machine_type.startswith("pc-q35" if machine_type == "q35" else "pc-i440fx")
        for field in ("name", "uuid", "mac", "domain_type", "cpus", "network", "disk", "nvram"):
            assert getattr(kept, field) == getattr(described, field)
        for field in ("firmware", "memory_bytes", "disk_bus", "nic_model", "clock", "pointer", "video"):
            assert getattr(kept.hardware, field) == getattr(hardware, field)

        virsh(session, "start", name)
        console = os.open(virsh(session, "ttyconsole", name), os.O_RDONLY | os.O_NOCTTY)
        try:
            # Of the two firmwares only UEFI's talks on the serial port: it clears the screen.
            said, wanted = b"", b"up\r\n" if firmware == "bios" else b"\x1b[2J"
            while wanted not in said:
                said += os.read(console, 4096)
        finally:
            os.close(console)
        if firmware == "efi":
            assert (directory / "vars.fd").stat().st_size > 100_000
            virsh(session, "destroy", name)
            await_state(session, name, "shut off (destroyed)")
        else:
            virsh(session, "shutdown", "--mode", "acpi", name)
            await_state(session, name, "shut off (shutdown)")
    finally:
        virsh(session, "undefine", "--keep-nvram", name)


# ------------------------------------------------------------------ Oz through a daemon


def test_oz_installs_through_the_users_own_session(place: Path, session: Daemon, cds: Path) -> None:
    directory = own_directory(place, session, "own")
    run = install(session, directory, cds / "finish.iso", name="own", uri="qemu:///session")
    assert run.returncode == 0, run.stderr
    images = directory / "images"
    assert sorted(path.name for path in images.iterdir()) == ["own.dsk", "own.oz", "own.xml"]
    assert virsh(session, "list", "--all", "--name") == ""

    virsh(session, "define", images / "own.xml")
    try:
        other = own_directory(place, session, "other")
        run = install(session, other, cds / "finish.iso", name="own", uri="qemu:///session")
        assert run.returncode == 8
        assert "already has a domain own\n  hint: take another <name>, or: virsh -c " in run.stderr
        virsh(session, "start", "own")
        run = install(session, other, cds / "finish.iso", name="own", uri="qemu:///session")
        assert run.returncode == 8
        assert "already runs a domain own\n  hint: end it first: virsh -c " in run.stderr
        assert not list((other / "images").iterdir())
        virsh(session, "destroy", "own")
    finally:
        virsh(session, "undefine", "own")


@pytest.mark.parametrize("kind", ["session", pytest.param("system", marks=needs_system)])
def test_killed_oz_takes_its_domain_along(place: Path, cds: Path, kind: str, request: pytest.FixtureRequest) -> None:
    user: Daemon = request.getfixturevalue(kind)
    directory = own_directory(place, user, f"killed-{kind}")
    process = start_install(user, directory, cds / "hang.iso", name=f"killed-{kind}", uri=user.uri)
    assert process.stderr
    try:
        for line in process.stderr:
            if "watch it:" in line:
                break
        assert virsh(user, "list", "--name") == f"killed-{kind}"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    deadline = time.monotonic() + PATIENCE_S
    while virsh(user, "list", "--all", "--name"):
        assert time.monotonic() < deadline


@needs_system
def test_oz_installs_through_the_systems_daemon(place: Path, system: Daemon, cds: Path) -> None:
    directory = own_directory(place, system, "sys")
    iso = cds / "finish.iso"
    run = install(system, directory, iso, name="sys", uri=system.uri)
    assert run.returncode == 0, run.stderr
    images = directory / "images"
    assert sorted(path.name for path in images.iterdir()) == ["sys.dsk", "sys.oz", "sys.xml"]
    # libvirt gave these to the user of QEMU while it ran.
    assert {(path.stat().st_uid, path.stat().st_gid) for path in (*images.rglob("*"), iso)} == {(0, 0)}
    assert "system.posix_acl_access" not in os.listxattr(directory)
    assert "vncviewer" not in run.stderr


@needs_system
def test_the_systems_daemon_and_its_qemu_do_all_that_the_embedded_one_does(place: Path, system: Daemon) -> None:
    directory = own_directory(place, system, "all")
    image = tiny.write_disk(directory / "image", tiny.sender(b"nonce\n", tiny.AWAIT_BUTTON + tiny.POWER_OFF))
    image.chmod(0o600)
    work = directory / "work"
    (work / "oz").mkdir(mode=0o700, parents=True)
    work.chmod(0o700)
    overlay = Drive(path=work / "overlay", format="qcow2")
    disk.overlay(overlay.path, Drive(path=image))
    described = machine(directory, firmware="bios", machine_type="q35", disk=overlay)
    described = replace(described, console_socket=work / "c", marker_socket=work / "m", vnc_socket=work / "v")
    with hypervisor.connect(system.uri, root=directory / "no", cache_dir=directory / "no", own=(work,)) as connection:
        domain = connection.start(described, console_log=work / "log")
        event = domain.next_event(PATIENCE_S)
        assert event and (event.kind, event.text) == ("marker", "nonce")
        host, port = domain.ssh_address(1)
        assert host == "127.0.0.1" and socket.create_connection((host, port)).close() is None
        assert domain.counters().disk_requests > 0
        picture = domain.screenshot(directory / "screen")
        assert picture and picture.read_bytes().startswith(b"\x89PNG")
        assert image.stat().st_uid != 0
        with pytest.raises(HostError, match="already runs a domain"):
            connection.start(replace(described, uuid=str(uuid.uuid4())))
        domain.request_power_off()
        event = domain.next_event(PATIENCE_S)
        assert event and event.kind == "power-off"
        domain.destroy()
        assert (image.stat().st_uid, overlay.path.stat().st_uid) == (0, 0)
        assert not (directory / "no").exists()


@needs_system
def test_a_medium_where_the_systems_qemu_cannot_come_is_refused(place: Path, system: Daemon, cds: Path) -> None:
    directory = own_directory(place, system, "closed")
    private = directory / "private"
    private.mkdir(mode=0o700)
    iso = private / "cd.iso"
    shutil.copy(cds / "finish.iso", iso)
    run = install(system, directory, iso, name="closed", uri=system.uri)
    assert run.returncode == 8
    assert f"{iso}: QEMU, which runs here as uid" in run.stderr
    hint = "setfacl -m u:"
    assert hint in run.stderr and f":x {private}, or" in run.stderr
    assert private.stat().st_mode & 0o777 == 0o700
    private.chmod(0o711)
    iso.chmod(0o600)
    run = install(system, directory, iso, name="closed", uri=system.uri)
    assert run.returncode == 8
    assert f"cannot read {iso}\n" in run.stderr and f":r {iso}, or" in run.stderr


@needs_system
def test_an_ordinary_user_is_told_that_the_systems_daemon_is_not_for_him(
    place: Path, system: Daemon, session: Daemon, cds: Path
) -> None:
    directory = own_directory(place, session, "ordinary")
    run = install(session, directory, cds / "finish.iso", name="ordinary", uri=system.uri)
    assert run.returncode == 8
    assert "whose serial ports only root could open\n  hint: in oz.cfg, set uri = auto" in run.stderr


def test_an_ordinary_user_installs_with_nothing_set_up(place: Path, session: Daemon, cds: Path) -> None:
    home = own_directory(place, session, "home")
    # The defaults but for KVM, whose probe takes its time.
    config = home / "oz.cfg"
    config.write_text("[libvirt]\ntype = qemu\n")
    bare = {name: value for name, value in session.environment.items() if not name.startswith("XDG_")}
    bare["HOME"] = str(home)
    # As su leaves it: that of another user.
    foreign = bare | {"XDG_RUNTIME_DIR": "/root" if session.prefix else "/"}
    for name, environment in {"bare": bare, "foreign": foreign}.items():
        template = home / f"{name}.tdl"
        write_template(template, name, cds / "finish.iso")
        run = subprocess.run(
            [*session.prefix, *command("oz-install", "-c", config, template)],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, cwd="/",
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        xml = (home / f".oz/images/{name}.xml").read_bytes()
        assert machine_from_xml(xml, name).disk == Drive(path=home / f".oz/images/{name}.dsk")
    assert not list((home / ".oz/builds").iterdir())
    assert {path.name for path in home.iterdir()} == {".oz", "oz.cfg", "bare.tdl", "foreign.tdl"}


# ------------------------------------------------------------------ networks


def attached(connection: Any, described: Machine, *, boot: str = "hd") -> RunningDomain:
    """A domain of that connection as Oz sees it, also one that hypervisor.connect would not start."""
    xml = domain_xml(described).replace('<boot dev="hd"/>', f'<boot dev="{boot}"/>')
    handle = connection.createXML(xml, 0)
    domain = RunningDomain(
        described, libvirt=libvirt, libvirt_qemu=None, connection=connection, forget=lambda _uuid: None
    )  # fmt: skip
    domain.attach(handle, pid=None, console_log=None)
    return domain


def test_the_address_is_what_libvirt_leased(tmp_path: Path) -> None:
    network = Network(kind="network", source="default")
    described = machine(tmp_path, firmware="bios", machine_type="pc", disk=Drive(path=tmp_path / "none"))
    described = replace(described, network=network, domain_type="test")
    connection = libvirt.open("test:///default")
    domain = attached(connection, described)
    host, port = domain.ssh_address(1)
    assert (host.startswith("192.168.122."), port) == (True, 22)
    domain.destroy()
    connection.close()


@needs_system
@pytest.mark.skipif(not daemon.has_networks(), reason="without libvirt's network driver or dnsmasq")
def test_a_guest_that_asks_by_dhcp_is_found_on_a_network(place: Path, networked: Daemon) -> None:
    directory = own_directory(place, networked, "leased")
    (directory / "network.xml").write_text(
        "<network><name>tests</name><forward mode='open'/><bridge name='oztests'/><ip address='10.78.0.1' "
        "netmask='255.255.255.0'><dhcp><range start='10.78.0.10' end='10.78.0.20'/></dhcp></ip></network>"
    )
    virsh(networked, "net-create", directory / "network.xml")
    path = tiny.write_disk(directory / "disk", tiny.sector(tiny.SPIN))
    described = machine(directory, firmware="bios", machine_type="q35", disk=Drive(path=path))
    described = replace(described, network=Network(kind="network", source="tests"))
    connection = libvirt.open(networked.uri)
    # QEMU's network card brings iPXE along, which asks for an address.
    domain = attached(connection, described, boot="network")
    try:
        host, port = domain.ssh_address(PATIENCE_S)
        assert host.startswith("10.78.0.") and port == 22
    finally:
        domain.destroy()
        connection.close()
        virsh(networked, "net-destroy", "tests")


@needs_system
def test_a_guest_on_a_bridge_is_found_in_the_arp_table() -> None:
    mac, other = "52:54:00:AB:CD:EF", "52:54:00:00:00:01"
    script = (
        "ip link add br0 type bridge; ip address add 10.77.0.1/24 dev br0; ip link set br0 up; "
        f"ip neighbour add 10.77.0.4 lladdr {other} dev br0; ip neighbour add 10.77.0.5 lladdr {mac} dev br0; "
        "cat /proc/net/arp"
    )
    table = subprocess.run(["unshare", "--net", "sh", "-ec", script], capture_output=True, text=True, check=True)
    assert arp_address(table.stdout, mac) == "10.77.0.5"
    assert arp_address(table.stdout, "52:54:00:00:00:02") is None


@needs_system
@pytest.mark.skipif(not daemon.has_networks(), reason="without libvirt's network driver or dnsmasq")
def test_a_bridge_that_is_not_there_is_named(place: Path, networked: Daemon) -> None:
    directory = own_directory(place, networked, "bridge")
    path = tiny.write_disk(directory / "disk", tiny.sector(tiny.SPIN))
    described = machine(directory, firmware="bios", machine_type="q35", disk=Drive(path=path))
    with hypervisor.connect(networked.uri, root=directory, cache_dir=directory) as connection:
        for network in (Network(kind="bridge", source="br-none"), Network(kind="network", source="br-none")):
            with pytest.raises(HostError, match=r"br-none.*\n  hint: set bridge_name"):
                connection.start(replace(described, network=network))
