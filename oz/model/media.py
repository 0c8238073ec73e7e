"""Install media: what is fetched, what was found on them, what is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from oz.model.template import Checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class BootImage:
    """One El Torito entry: where a firmware finds its boot loader."""

    platform: Literal["bios", "efi", "other"]
    emulation: Literal["none", "floppy", "hard-disk"]
    lba: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One system of those that an installer's image archive (WIM) holds."""

    index: int
    """Its number in the archive, from 1."""
    name: str
    """What its installer shows."""
    edition_id: str
    version: str
    """The kernel's: "10.0.19041"; empty where it is not told."""
    arch: str
    """As templates write it; empty for others."""
    is_server: bool = False
    language: str = ""
    """Such as "en-US": the one its files are in."""


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
    editions: tuple[Edition, ...] = ()
    """Of its image archive, if it has one."""


Variant = Literal["cd", "dvd", "netinst", "live", "later-disc", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What system a medium holds, by what it says of itself."""

    distro: str
    """As the table of releases writes it."""
    version: str
    """As far as the medium tells: "13.2.0", "6.4", "8"."""
    arches: tuple[str, ...]
    """As templates write them; empty where the medium does not tell."""
    variant: Variant
    is_sure: bool = True
    """False where media of other releases say the same of themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OsinfoSystem:
    """A system of osinfo-db, of which a medium may be one. Words are osinfo-db's own, but for the architecture."""

    short_id: str
    """What osinfo-query and virt-install call it: "fedora40"."""
    name: str
    """With its edition, if that has media of its own: "Fedora Linux 40 Workstation"."""
    distro: str
    version: str
    arch: str
    """As templates write it, if they do; empty for media that serve several."""
    is_live: bool


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
