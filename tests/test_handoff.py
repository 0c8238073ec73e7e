"""What we tell a user to type works: QEMU boots by it, ssh understands it."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from guest import tiny

from oz.handoff import qemu_command, ssh_command
from oz.model import Drive, Hardware, Installed, Machine, Network, Rng
from oz.results import installed_record, installed_text

HARDWARE = Hardware(
    arch="x86_64",
    machine_type="q35",
    firmware="bios",
    memory_bytes=64 * 1024**2,
    disk_bus="virtio",
    nic_model="virtio",
)


def machine(path: Path, **changes: str) -> Machine:
    return Machine(
        name="hand-off",
        uuid="00000000-0000-4000-8000-000000000000",
        mac="52:54:00:00:00:00",
        domain_type="qemu",
        cpus=1,
        hardware=replace(HARDWARE, **changes),
        network=Network(),
        rng=Rng(),
        disk=Drive(path=path),
    )


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Says so on the console, then powers off; its name has what QEMU, shells and ssh take apart."""
    path = tmp_path_factory.mktemp("a, b=c") / "disk one,two.dsk"
    yield tiny.write_disk(path, tiny.sender(b"it boots\r\n", tiny.POWER_OFF, port=tiny.COM1))


@pytest.mark.parametrize(
    ("machine_type", "bus", "nic"),
    [
        ("q35", "virtio", "virtio"),
        ("q35", "sata", "e1000"),
        ("q35", "scsi", "virtio"),
        ("q35", "ide", "virtio"),
        ("pc", "virtio", "virtio"),
        ("pc", "ide", "rtl8139"),
        ("pc", "sata", "virtio"),
        ("pc", "scsi", "ne2k_pci"),
    ],
)
def test_qemu_boots_by_the_line_we_print(disk: Path, machine_type: str, bus: str, nic: str) -> None:
    # Port 0: QEMU takes a free one.
    command = qemu_command(machine(disk, machine_type=machine_type, disk_bus=bus, nic_model=nic), ssh_port=0)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert b"it boots" in done.stdout and not done.stderr


def test_the_line_has_the_users_hardware(disk: Path) -> None:
    described = replace(machine(disk, arch="i386"), domain_type="kvm", cpus=3)
    command = qemu_command(described, ssh_port=2222)
    assert command[0] == "qemu-system-x86_64" and "q35,accel=kvm" in command
    assert command[command.index("-m") + 1] == "64" and command[command.index("-smp") + 1] == "3"
    assert f"user,model=virtio-net-pci,mac={described.mac},hostfwd=tcp:127.0.0.1:2222-:22" in command


@pytest.mark.parametrize(("video", "pointer"), [("cirrus", "tablet"), ("vga", "ps2")])
def test_a_guest_without_ssh_boots_with_a_screen(disk: Path, tmp_path: Path, video: str, pointer: str) -> None:
    described = machine(
        disk, machine_type="pc", disk_bus="ide", nic_model="rtl8139", clock="localtime", video=video, pointer=pointer
    )
    command = qemu_command(described, ssh_port=None)
    assert command[command.index("-vnc") + 1] == "127.0.0.1:0" and "hostfwd" not in " ".join(command)
    # A socket of its own: the port may be another's.
    command[command.index("-vnc") + 1] = "unix:vnc"
    command += ["-serial", "stdio"]
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"") and b"it boots" in done.stdout


@pytest.mark.parametrize("name", ["plain.oz", 'a b%h"c\\d,e.oz', "~x #y.oz"])
def test_ssh_understands_the_line_we_print(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    (directory / "id_rsa").write_text("")
    command = ssh_command(directory, port=2222, user="root")
    read = subprocess.run([command[0], "-G", *command[1:]], capture_output=True, text=True, check=True)
    told = dict(line.split(" ", 1) for line in read.stdout.splitlines() if " " in line)
    assert told["userknownhostsfile"] == f"{directory}/known_hosts"
    assert told["identityfile"].replace("%%", "%") == f"{directory}/id_rsa"
    assert (told["hostname"], told["port"], told["user"]) == ("127.0.0.1", "2222", "root")
    assert told["hostkeyalias"] == "oz-guest" and told["identitiesonly"] == "yes"
    assert "not accessible" not in read.stderr


def installed(path: Path, **changes: str) -> Installed:
    made = machine(path, **changes)
    return Installed(machine=made, xml=path.with_suffix(".xml"), directory=path.with_suffix(".oz"), seconds=125.04)


def test_the_summary_names_everything(tmp_path: Path) -> None:
    text = installed_text(installed(tmp_path / "a b.dsk"), manifest=Path("m.json"), is_sealed=False, user="root")
    assert text.startswith("Installed hand-off in 2 min 5 s\n") and "manifest  m.json" in text
    assert f"virsh define '{tmp_path}/a b.xml' && virsh start --domain hand-off" in text
    assert "qemu-system-x86_64 -machine q35" in text and "enter it  ssh -p 2222" in text


def test_a_sealed_system_has_no_key_to_enter_with(tmp_path: Path) -> None:
    text = installed_text(installed(tmp_path / "a.dsk"), manifest=None, is_sealed=True, user="root")
    assert "ssh -p" not in text and "keys" not in text and "manifest" not in text


def test_a_system_without_ssh_is_entered_on_its_screen(tmp_path: Path) -> None:
    text = installed_text(installed(tmp_path / "a b.dsk"), manifest=None, is_sealed=False, user=None)
    assert "ssh -p" not in text and "keys" not in text and "(password, plan, console log)" in text
    assert "-vnc 127.0.0.1:0" in text and "vncviewer 127.0.0.1:0, or virt-viewer hand-off" in text
    assert f"root_password in '{tmp_path}/a b.oz/access.json'" in text


def test_an_efi_system_boots_by_its_xml(tmp_path: Path) -> None:
    text = installed_text(installed(tmp_path / "a.dsk", firmware="efi"), manifest=None, is_sealed=False, user="root")
    assert "qemu-system" not in text and f"boot it   virsh define {tmp_path}/a.xml" in text


def test_the_summary_for_programs(tmp_path: Path) -> None:
    assert installed_record(installed(tmp_path / "a.dsk")) == {
        "name": "hand-off",
        "image": f"{tmp_path}/a.dsk",
        "format": "raw",
        "xml": f"{tmp_path}/a.xml",
        "directory": f"{tmp_path}/a.oz",
        "seconds": 125.0,
    }
