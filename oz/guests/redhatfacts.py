"""What tells Anaconda's releases apart; their values are in oz.guests.releases."""

from dataclasses import dataclass
from typing import Literal

from oz.guests.base import UnixFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RedHatFacts(UnixFacts):
    """What differs between the releases. A kickstart command that is None is left out."""

    disk_bytes_min: int

    # The medium, and the way onto the machine.
    volume_id: str
    """Of the disc that `documented_medium` describes: {version}, {major}, {minor} and {arch} are filled in."""
    packages_path: str
    """A file beside the packages, which a disc for installing from the network does not have."""
    needs_dvd: bool
    """What the answer file asks for is on more than one CD."""
    disc_boot: Literal["floppy", "isolinux", "grub"]
    """What a PC with a BIOS starts the disc by."""
    tree_boot: Literal["floppy", "iso", "kernel"]
    """What an installation from a tree starts from: its bootnet.img, its boot.iso, its kernel and initrd."""
    initrd_format: Literal["cpio", "ext2"]
    tree_protocols: tuple[str, ...]

    # Kernel arguments.
    is_dracut: bool
    """The installer's options begin with "inst.", and it finds its files on a disc by the volume id."""
    cdrom_argument: str | None
    tree_argument: str | None
    """The name of the option that takes the tree's URL."""
    arguments: tuple[str, ...]
    """More of them."""
    has_serial_console: bool
    log_channel: str | None
    """The virtio port to which the installer writes its log by itself."""

    # The kickstart file.
    has_install: bool
    """The mode has to be told from "upgrade"."""
    needs_key: bool
    """It asks for an installation number."""
    lang: str
    langsupport: str | None
    mouse: str | None
    network: str
    has_slot_names: bool
    """Network interfaces would be named by their place, enp1s0, which differs between machines."""
    auth: str | None
    firewall: str | None
    selinux: str | None
    firstboot: str | None
    services: str | None
    boot_loader: Literal["lilo", "bootloader"]
    zerombr: str
    clearpart: str | None
    has_partition_table: bool
    """The disk must have one already: the installer asks about one without, whatever the answer file says."""
    has_fstype: bool
    has_reqpart: bool
    """The installer makes what the firmware needs by itself."""
    needs_boot: bool
    """Its boot loader does not find the kernel in the root file system."""
    needs_biosboot: bool
    """Every disk gets a GPT under a BIOS."""
    packages_options: str
    packages: tuple[str, ...]
    has_end: bool
    """Sections end with %end."""
    has_poweroff: bool
    """The installer can switch the machine off."""
    has_authorized_keys2: bool
    """sshd looks for keys of protocol 2 in a file of their own."""
