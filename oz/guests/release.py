"""The rows of the table of releases, and the facts that all installed systems have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from oz.guests.base import Guest


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One row of the table: a release of a distribution and everything that is particular to it."""

    distro: str
    version: str
    codename: str
    """A name that templates may write in place of the version; empty where there is none."""
    planner: type["Guest"]
    install_types: Mapping[str, tuple[str, ...]]
    """Architecture, by its TDL name, to the install types it can be installed by."""
    end_of_life: str
    """The day of the last update, ISO 8601."""
    facts: Any
    """The facts dataclass of the planner."""
    point_releases: int = 0
    """How many there are that differ in nothing we know of: VERSION.1, VERSION.2 ..."""
    is_growing: bool = False
    """More minor releases of its major version will come, whatever newer ones there are."""
    next_differs: str = ""
    """Why versions that are not known cannot be planned like the newest one that is; empty where they can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Another name of a distribution, or of one of its major versions: templates have always written "RHEL-5" with the
    version "U3", and "RHEL-6" with "4"."""

    distro: str
    major: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFacts:
    """What differs between installed Unix-like systems, whatever installed them."""

    package_manager: str
    init: Literal["sysv", "upstart", "systemd", "openrc", "rc"]
    """rc: FreeBSD's, whose system has no /proc, no machine-id of systemd's and no chpasswd."""
    makes_host_keys_at_boot: bool
    """sshd's own start makes the host keys that are missing: a sealed image needs no help."""
    can_make_missing_host_keys: bool
    """`ssh-keygen -A` exists."""
    host_key_types: tuple[str, ...]
    """Where it does not: the key types to make one by one."""
    has_legacy_ssh: bool
    """sshd knows no rsa-sha2 signatures (OpenSSH before 7.2)."""
    password_schemes: tuple[str, ...]
    boot_limit_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the installer's kernel calls the serial ports of a machine."""

    console: str
    """With its speed, as the kernel argument console= takes it."""
    marker: str
    marker_number: str
    """Major and minor number of the marker device (Linux: Documentation/admin-guide/devices.txt)."""


_PC = Ports(console="ttyS0,115200n8", marker="/dev/ttyS1", marker_number="4 65")
PORTS = {
    "i386": _PC,
    "x86_64": _PC,
    # The virt machine has one PL011 port; the marker port is a PCI one.
    "aarch64": Ports(console="ttyAMA0", marker="/dev/ttyS0", marker_number="4 64"),
}
