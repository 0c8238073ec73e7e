"""Virtual machines: what a release works with, and the files and sockets on this host."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from oz.model.settings import Network, Rng


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """The virtual hardware a release works with."""

    arch: str
    machine_type: str
    firmware: Literal["bios", "efi"]
    memory_bytes: int
    disk_bus: str
    nic_model: str
    clock: Literal["utc", "localtime"] = "utc"
    pointer: Literal["ps2", "tablet"] = "tablet"
    video: str = "vga"
    asks_for_drivers: bool = False
    """The system asks at every logon for the driver of a device it does not know: it gets none of QEMU's own that
    serve a comfort alone (virtio random numbers, the balloon, the panic device)."""
    qemu_options: tuple[str, ...] = ()
    """Options of QEMU's own that the installer needs and libvirt has no words for; the installed system needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """A disk, CD or floppy image on this host."""

    path: Path
    format: str = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel that QEMU loads itself."""

    kernel: Path
    initrd: Path
    command_line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A whole virtual machine: hardware, its files on this host, and the sockets we listen on."""

    name: str
    uuid: str
    mac: str
    domain_type: str
    cpus: int
    hardware: Hardware
    network: Network
    rng: Rng
    disk: Drive | None
    cdroms: tuple[Drive, ...] = ()
    floppy: Drive | None = None
    kernel: Kernel | None = None
    boot_device: Literal["hd", "cdrom", "fd"] = "hd"
    nvram: Path | None = None
    disk_cache: Literal["unsafe", "writeback"] = "unsafe"
    console_socket: Path | None = None
    """Where QEMU binds the first serial port; None leaves a port that nobody reads."""
    marker_socket: Path | None = None
    log_channel: str | None = None
    """The name of a virtio port on which the installer writes its log by itself, and where QEMU binds it:"""
    log_socket: Path | None = None
    vnc_socket: Path | None = None
