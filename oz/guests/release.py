"""The rows of the table of releases, and the facts that all installed systems have."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from oz.guests.hardware import HardwareFacts
from oz.guests.partitions import PartitionFacts

if TYPE_CHECKING:
    from oz.guests.base import Guest


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


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallerFacts:
    """What differs between the releases of every installer; each has more of its own."""

    hardware: HardwareFacts
    partitions: PartitionFacts
    limit_s: float = 3600.0
    """How long an installation may take with hardware virtualization."""
    inactivity_s: float = 600.0
    """How long it may be silent."""
    log_channel: str | None = None
    """The virtio port to which the installer writes its log by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixFacts(InstallerFacts):
    """Of one whose system has ssh."""

    system: SystemFacts
    has_slot_names: bool = False
    """Network interfaces would be named by their place, enp1s0, which differs between machines. Of installers all of
    whose releases do that nobody asks."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One row of the table: a release of a distribution and everything that is particular to it."""

    distro: str
    version: str
    codename: str = ""
    """A name that templates may write in place of the version; empty where there is none."""
    planner: type["Guest"]
    install_types: Mapping[str, tuple[str, ...]]
    """Architecture, by its TDL name, to the install types it can be installed by."""
    end_of_life: str
    """The day of the last update, ISO 8601."""
    facts: InstallerFacts
    """Of the planner's own kind."""
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


def pick(facts: Mapping[str, Any], *kinds: Any) -> dict[str, Any]:
    """Those of the facts that are fields of the dataclasses `kinds`."""
    names = {field.name for kind in kinds for field in fields(kind)}
    return {name: value for name, value in facts.items() if name in names}


def make_release(
    planner: type["Guest"], kind: type[InstallerFacts], distro: str, version: str, facts: Mapping[str, Any], **row: Any
) -> Release:
    """A row of the table, of facts in one mapping: its install types by architecture, and the fields of `kind` and of
    the dataclasses in it. Raises TypeError for one that is missing, or that is nobody's."""
    rest = dict(facts)
    types = {arch: rest.pop(arch) for arch in facts if arch in PORTS}
    for field in fields(kind):
        if is_dataclass(field.type) and field.name not in rest:
            mine = pick(rest, field.type)
            rest = {name: value for name, value in rest.items() if name not in mine}
            rest[field.name] = cast(Any, field.type)(**mine)
    return Release(
        planner=planner,
        distro=distro,
        version=version,
        install_types={arch: kinds for arch, kinds in types.items() if kinds},
        facts=kind(**rest),
        **row,
    )
