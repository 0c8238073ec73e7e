"""What a template (TDL) says, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


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
class Partition:
    """One file system, or swap, of the new system."""

    mount: str
    """An absolute path, or "swap"."""
    size_bytes: int | None = None
    """None: the rest of the disk; one at most has that."""
    filesystem: str | None = None
    """None: what the release takes by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Virtual:
    """What a template asks of the virtual machine; None leaves it to oz.cfg and the release."""

    firmware: Literal["bios", "efi"] | None = None
    machine_type: str | None = None
    """As QEMU calls it: "q35"."""
    cpus: int | None = None
    memory_bytes: int | None = None


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
    drivers: Path | None = None
    """A CD with drivers that the medium lacks."""
    extras: tuple[Extra, ...] = ()
    rootpw: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    edition: str | None = None
    """Of those on the medium, where it holds several: its name, its number or its identifier."""
    kernelparam: str | None = None
    disk_bytes: int
    partition_layout: Literal["plain", "lvm"] | None = None
    """None: the template says nothing about partitions."""
    partitions: tuple[Partition, ...] = ()
    """Empty: one root on all of the disk, with what boot loader and firmware need beside it."""
    virtual: Virtual = Virtual()
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
