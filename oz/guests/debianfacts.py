"""What tells Debian's releases and architectures apart; their values are in oz.guests.releases."""

from dataclasses import dataclass
from typing import Literal

from oz.guests.base import HardwareFacts, SystemFacts
from oz.guests.partitions import PartitionFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What d-i calls an architecture, and where things are on it."""

    name: str
    install_directory: str
    """On the CD: holds vmlinuz and initrd.gz."""
    kernel_suffix: str | None
    """The end of the kernel package's name; None where d-i chooses by the processor."""


ARCHITECTURES = {
    "i386": Architecture(
        name="i386",
        install_directory="/install.386",
        kernel_suffix=None,
    ),
    "x86_64": Architecture(
        name="amd64",
        install_directory="/install.amd",
        kernel_suffix="amd64",
    ),
    "aarch64": Architecture(
        name="arm64",
        install_directory="/install.a64",
        kernel_suffix="arm64",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianFacts:
    """What differs between the releases."""

    system: SystemFacts
    hardware: HardwareFacts
    keyboard_questions: tuple[str, ...]
    """Their names changed between releases; d-i passes over answers to questions that it does not have."""
    label_questions: tuple[str, ...]
    """Ask whether a new partition table may be written."""
    user_separator: Literal["--", "---"]
    """Kernel arguments after this word are for the installed system."""
    has_text_frontend: bool
    """The CD's initrd carries d-i's plain text interface, which a log can hold."""
    kernel_prefix: str
    filesystem: str
    """What it takes by itself, for / and /boot."""
    other_filesystems: tuple[str, ...]
    """What else it makes."""
    unbootable_filesystems: tuple[str, ...]
    """Of those, what its GRUB does not read."""
    can_leave_volume_space: bool
    """It asks how much of a volume group it may take."""
    ide_disk: str
    disk_bytes_min: int
    """Less does not hold the system that our answer file asks for."""
    has_biosgrub: bool
    """The partitioner makes the partition that GRUB needs on a GPT disk under a BIOS."""
    limit_s: float
    inactivity_s: float
    mirror: str
    """Where the release is to be had once no medium is at hand: an http URL."""
    mirror_protocols: tuple[str, ...]
    """By which the installer can read a mirror."""
    components: str
    has_updates: bool
    """The mirror still has, and updates, CODENAME-updates; the installer's own security host serves the release."""
    has_eatmydata: bool
    root_login: str | None
    """What PermitRootLogin must be set to; None where the default already is keys only."""

    @property
    def partitions(self) -> PartitionFacts:
        return PartitionFacts(
            filesystems=(self.filesystem, *self.other_filesystems),
            boot_filesystem=self.filesystem,
            has_lvm=True,
            has_biosboot=self.has_biosgrub,
            unbootable=self.unbootable_filesystems,
            # Whatever comes last in a recipe gets all that is free (partman-auto, lib/auto-shared.sh).
            fills=("plain",) if self.can_leave_volume_space else ("plain", "lvm"),
        )
