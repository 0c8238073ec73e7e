"""What a user types to boot a finished image and to enter it, without Oz."""

import re
from pathlib import Path

from oz.model import Hardware, Machine
from oz.units import MIB

HOST_KEY_ALIAS = "oz-guest"
"""The name under which NAME.oz/known_hosts pins the image's host key, wherever it runs."""

_QEMU_ARCH = {"i386": "x86_64", "armv7l": "arm", "ppc64le": "ppc64"}
_NIC = {"virtio": "virtio-net-pci"}
_VGA = {"vga": "std"}


VNC_SCREEN = "127.0.0.1:0"
"""Where a guest without ssh shows itself: display 0 is port 5900."""


def qemu_command(machine: Machine, *, ssh_port: int | None) -> list[str]:
    """A QEMU command line that boots the image on this terminal, its port 22 at 127.0.0.1:SSH_PORT; a guest without
    ssh (None) shows its screen at VNC_SCREEN.

    Not for an EFI machine, whose firmware has other paths on every host: boot that by its XML.
    """
    assert machine.disk is not None
    hardware = machine.hardware
    accelerator = "kvm" if machine.domain_type == "kvm" else "tcg"
    # By its address, systems that wrote it down know the card they were installed with.
    nic = f"user,model={_NIC.get(hardware.nic_model, hardware.nic_model)},mac={machine.mac}"
    command = [f"qemu-system-{_QEMU_ARCH.get(hardware.arch, hardware.arch)}"]
    command += ["-machine", f"{hardware.machine_type},accel={accelerator}", "-cpu", "max"]
    command += ["-m", str(hardware.memory_bytes // MIB), "-smp", str(machine.cpus)]
    file = str(machine.disk.path).replace(",", ",,")
    interface = hardware.disk_bus if hardware.disk_bus in ("virtio", "ide") else "none,id=disk"
    command += ["-drive", f"file={file},format={machine.disk.format},if={interface}"]
    command += _disk_devices(hardware)
    if hardware.clock == "localtime":
        command += ["-rtc", "base=localtime"]
    if ssh_port is not None:
        return [*command, "-nic", f"{nic},hostfwd=tcp:127.0.0.1:{ssh_port}-:22", "-nographic"]
    pointer = ["-usb", "-device", "usb-tablet"] if hardware.pointer == "tablet" else []
    screen = ["-vga", _VGA.get(hardware.video, hardware.video), "-vnc", VNC_SCREEN]
    return [*command, "-nic", nic, *screen, *pointer]


def _disk_devices(hardware: Hardware) -> list[str]:
    """The controller of buses that a machine has none of, as domain XML has it, and the disk on it."""
    if hardware.disk_bus == "scsi":
        return ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=disk"]
    if hardware.disk_bus == "sata":
        has_sata = "q35" in hardware.machine_type
        controller = [] if has_sata else ["-device", "ahci,id=ahci"]
        return [*controller, "-device", f"ide-hd,drive=disk,bus={'ide' if has_sata else 'ahci'}.0"]
    return []


def ssh_command(directory: Path, *, port: int, user: str) -> list[str]:
    """An ssh command line that logs in to a guest on this host with the key and the pinned host key of NAME.oz."""
    hosts, key = _ssh_file(directory / "known_hosts"), directory / "id_rsa"
    # -i looks for the file before it expands %%.
    identity = ["-o", f"IdentityFile={_ssh_file(key)}"] if "%" in str(key) else ["-i", str(key)]
    command = ["ssh", "-p", str(port), *identity, "-o", "IdentitiesOnly=yes"]
    command += ["-o", f"HostKeyAlias={HOST_KEY_ALIAS}", "-o", f"UserKnownHostsFile={hosts}"]
    return [*command, f"{user}@127.0.0.1"]


def _ssh_file(path: Path) -> str:
    """A file's name as ssh_config(5) wants it: % is doubled, and what has more than plain characters is quoted."""
    text = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return text if re.fullmatch(r"[A-Za-z0-9%@+=:,./_-]*", text) else f'"{text}"'
