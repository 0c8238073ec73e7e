"""Every record that crosses a module border. Read this first.

    Tdl ──► guest_for ──► Guest ──plan_media──► MediaPlan ──fetch──► Medium
                            │                                          │
                            └──plan_install(Tdl, Medium, Access, Settings)──► InstallPlan ──► Installed
                            └──plan_customize(Tdl) ──► Action, Action, ...
                            └──plan_manifest(Tdl), parse_packages(text) ──► Manifest

All records are frozen; units are in their names. Paths inside a guest or a medium are str, absolute, with forward
slashes; paths on this host are pathlib.Path.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# ------------------------------------------------------------------ the template


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a template hands over: bytes written in it, or a URL to fetch when they are needed."""

    data: bytes | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """How a medium is verified: `value` is the hex digest itself, or the URL of a list of them."""

    algorithm: Literal["md5", "sha1", "sha256"]
    value: str

    @property
    def is_url(self) -> bool:
        return "://" in self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    name: str
    repository: str | None = None
    """Install from this repository of the template alone."""
    arguments: str | None = None
    """Extra words for the package manager's command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFile:
    path: str
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    name: str
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    name: str
    url: str
    signed: bool = True
    sslverify: bool = True
    persisted: bool = True
    key: Content | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """A file or directory added to the install medium at `destination`, relative to its root."""

    kind: Literal["file", "directory"]
    source: str
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tdl:
    """One template, checked. `path` and `lines` serve messages that point back into the file."""

    path: str
    name: str
    distro: str
    version: str
    arch: str
    install_type: Literal["iso", "url"]
    install_url: str
    description: str | None = None
    checksum: Checksum | None = None
    extras: tuple[Extra, ...] = ()
    rootpw: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    kernelparam: str | None = None
    disk_bytes: int
    packages: tuple[Package, ...] = ()
    files: tuple[GuestFile, ...] = ()
    precommands: tuple[Command, ...] = ()
    commands: tuple[Command, ...] = ()
    repositories: tuple[Repository, ...] = ()
    icicle_extra_command: str | None = None
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Element path, such as "os/version", to the line it starts on."""

    def where(self, element: str) -> str:
        """FILE:LINE of an element, for an error message."""
        return f"{self.path}:{self.lines.get(element, 1)}"


# ------------------------------------------------------------------ the host's part


@dataclass(frozen=True, slots=True, kw_only=True)
class Rng:
    """The virtio random number generator and the host device that feeds it."""

    model: str = "random"
    device: str = "/dev/urandom"
    rate_bytes: int | None = None
    rate_period_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How a guest reaches the network, and we the guest: QEMU's user network, a bridge, a libvirt network."""

    kind: Literal["user", "bridge", "network"] = "user"
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What oz.cfg, the options and this host decide about a build. None means: the release's own fact."""

    domain_type: str = "kvm"
    """libvirt's domain type: kvm, or qemu for software emulation."""
    cpus: int = 1
    memory_bytes: int = 2048 * 1024**2
    """The least a guest gets; a release that needs more gets more."""
    network: Network = Network()
    rng: Rng = Rng()
    image_format: str = "raw"
    disk_bus: str | None = None
    nic_model: str | None = None
    mac: str | None = None
    firmware: Literal["bios", "efi"] | None = None
    answer: str | None = None
    """A user's own answer file template, in place of ours."""
    install_limit_s: float | None = None
    """An explicit limit, taken literally."""
    limit_factor: float = 1.0
    """By how much limits are stretched; 10 without hardware virtualization."""


# ------------------------------------------------------------------ media


@dataclass(frozen=True, slots=True, kw_only=True)
class BootImage:
    """One El Torito entry: where a firmware finds its boot loader."""

    platform: Literal["bios", "efi", "other"]
    emulation: Literal["none", "floppy", "hard-disk"]
    lba: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """What was found on an install medium. Paths are absolute: Rock Ridge names, else Joliet, else ISO 9660
    in lower case without version."""

    path: Path | None
    """None for a medium that a dry run assumes."""
    size_bytes: int = 0
    volume_id: str = ""
    system_id: str = ""
    publisher_id: str = ""
    application_id: str = ""
    volume_size_bytes: int = 0
    boot_images: tuple[BootImage, ...] = ()
    paths: frozenset[str] = frozenset()
    contents: Mapping[str, bytes] = field(default_factory=dict)
    """The files the plan asked to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One thing to download (or to use where it lies), and what it will serve as."""

    role: Literal["iso", "kernel", "initrd", "floppy"]
    url: str
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlan:
    fetches: tuple[Fetch, ...]
    read: tuple[str, ...] = ()
    """Files of the medium the guest wants to see when it plans the installation; missing ones are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediumEdit:
    """A file of the medium to be replaced or added (its directories too)."""

    path: str
    content: bytes | Path
    in_efi_image: bool = False
    """The path is one inside the FAT file system of the EFI boot image, not of the ISO."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Bytes to be written at an offset of a medium's image: `data`, or all of a large file on this host."""

    offset: int
    data: bytes = b""
    source: Path | None = None
    source_bytes: int = 0

    @property
    def end(self) -> int:
        return self.offset + (self.source_bytes if self.source else len(self.data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaster:
    """An edited medium as what differs from the original: patches, sorted and apart, and the new length."""

    size_bytes: int
    patches: tuple[Patch, ...]


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


# ------------------------------------------------------------------ hardware


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
    vnc_socket: Path | None = None


# ------------------------------------------------------------------ plans


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One life of the domain during an installation, from start to power-off."""

    device: Literal["kernel", "cdrom", "hd", "fd"]
    reboots: int = 0
    """Resets the installer makes by itself before it powers off; one more ends it as failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """All that a release's installer needs to run unattended."""

    answer_name: str
    """The name under which the installer looks for its answer file, such as "preseed.cfg"."""
    answer: str
    edits: tuple[MediumEdit, ...] = ()
    initrd_files: Mapping[str, bytes] = field(default_factory=dict)
    """Path in the initrd to contents: appended to it as one more cpio archive."""
    command_line: str | None = None
    """For a boot from kernel and initrd."""
    boots: tuple[Boot, ...]
    hardware: Hardware
    limit_s: float
    """For the whole installation, stretched by Settings.limit_factor already; and so is this:"""
    inactivity_s: float


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
