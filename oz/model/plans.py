"""What guests plan, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from oz.model.machine import Hardware, Machine
from oz.model.media import MediumEdit
from oz.model.template import Content


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
