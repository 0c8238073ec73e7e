"""What guests plan, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from oz.model.machine import Hardware, Machine
from oz.model.media import MediumEdit
from oz.model.template import Content, Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How we get into the guest. Never printed: `repr` hides what is secret."""

    public_key: str
    """One authorized_keys line."""
    private_key: str = field(repr=False)
    """PEM."""
    root_password: str = field(repr=False)
    password_hashes: Mapping[str, str] = field(repr=False)
    """Scheme ("sha512", "md5") to crypt(3) string."""
    nonce: str = field(repr=False)
    """What the finished installer sends on the marker port."""
    host_keys: tuple[str, ...] = ()
    """Pinned host keys, "ssh-ed25519 AAAA...", once known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One life of the domain during an installation, from its start to its end."""

    device: Literal["kernel", "cdrom", "hd", "fd"]
    reboots: int = 0
    """Resets the installer makes by itself before the end; one more ends it as failed."""
    ends: Literal["power-off", "reset"] = "power-off"
    """How the guest ends it: installers from before ACPI can only reset the machine."""
    enter_s: float = 0.0
    """Enter is pressed every second for so long from the start on: for media that ask for a key before they boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floppy:
    """A floppy in the drive: a blank one, the one that was fetched, or the medium's own floppy boot image, with files
    added or replaced. Paths are as FAT has them: upper case, 8.3, or whatever VFAT keeps."""

    base: Literal["blank", "fetched", "boot-image"]
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A small second CD, which the installer finds by its label or looks for on every drive."""

    label: str
    """At most 16 characters."""
    files: Mapping[str, bytes]
    copies: Mapping[str, Path] = field(default_factory=dict)
    """What is copied from this host: path on the CD to the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionPlan:
    """How the disk is divided. Every partition has its file system, and its size unless it takes the rest."""

    layout: Literal["plain", "lvm"]
    """lvm: all but /boot, /boot/efi and biosboot are logical volumes of one volume group."""
    partitions: tuple[Partition, ...]
    """Mount points; besides "swap", "/boot/efi" with the file system "efi", and "biosboot"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallerLog:
    """What the installer says of its work, and how that reaches us: by its console always, by the marker port where the
    answer file has it sent there (oz.marks), and by a virtio port where the installer writes on one by itself."""

    installer: str = ""
    """As oz/guests/failures.tsv calls it; of one that is not there, only what its kernel says is understood."""
    channel: str | None = None
    """The name of that virtio port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """All that a release's installer needs to run unattended."""

    answer_name: str
    """The name under which the installer looks for its answer file, such as "preseed.cfg"."""
    answer: str
    edits: tuple[MediumEdit, ...] = ()
    initrd_files: Mapping[str, bytes] = field(default_factory=dict)
    """Path in the initrd to contents."""
    initrd_format: Literal["cpio", "ext2"] = "cpio"
    """cpio: the files follow it as one more archive. ext2: it is a gzipped file system, which they are written into."""
    command_line: str | None = None
    """For a boot from kernel and initrd."""
    floppy: Floppy | None = None
    seed: Seed | None = None
    drivers: Path | None = None
    """A CD with drivers, which the installer gets as it is."""
    drivers_paths: tuple[str, ...] = ()
    """What is on that CD, or it is another one."""
    has_partition_table: bool = False
    """The disk gets an empty MS-DOS partition table first: the installer asks about a disk without one."""
    boots: tuple[Boot, ...]
    hardware: Hardware
    limit_s: float
    """For the whole installation, stretched by Settings.limit_factor already; and so is this:"""
    inactivity_s: float
    log: InstallerLog = InstallerLog()


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFile:
    """Write a file in the guest; its directories are made, root owns it."""

    path: str
    content: Content
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommand:
    """Run a shell script in the guest. `label` is what progress and errors call it."""

    label: str
    script: Content


Action = PutFile | RunCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestPlan:
    command: str
    """Prints all packages; the guest's parse_packages reads the output."""
    extra_command: str | None = None
    """The template's own: prints one line per package, in the order of the parsed list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPackage:
    name: str
    version: str
    release: str = ""
    epoch: str = ""
    architecture: str = ""
    kind: str | None = None
    """Where a system lists more than packages: program, feature, hotfix, or the system itself."""
    publisher: str | None = None
    extra: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    packages: tuple[InstalledPackage, ...]
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What an installation leaves: the image, the domain XML that boots it, and the directory beside it."""

    machine: Machine
    """As its domain XML describes it; `machine.disk` is the image."""
    xml: Path
    directory: Path
    """NAME.oz: keys, plan, logs."""
    seconds: float
