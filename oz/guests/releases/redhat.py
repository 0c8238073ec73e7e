"""Red Hat Linux, Red Hat Enterprise Linux, and what is rebuilt from it: cut from the trunk of Anaconda, one row for
each minor release. The marks in comments are those of oz.guests.releases.fedora."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from oz.guests.release import Alias, Release
from oz.guests.releases.fedora import RED_HAT_LINUX, TRUNK, make_row
from oz.guests.timeline import timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A major version of a distribution and its minor releases. GOLD is 0."""

    first: int = 0
    last: int
    arches: tuple[str, ...] = ("x86_64",)
    aarch64_since: int | None = 0
    """The first minor release for it."""
    end_of_life: str
    is_growing: bool = False
    """Minor releases are still to come."""
    skipped: tuple[int, ...] = ()
    volume_id: str = ""
    """Of a rebuild's disc; Red Hat's own is a fact."""

    def versions(self, major: str) -> list[str]:
        return [f"{major}.{minor}" for minor in range(self.first, self.last + 1) if minor not in self.skipped]

    def arches_of(self, version: str) -> tuple[str, ...]:
        minor = int(version.rpartition(".")[2])
        has_aarch64 = self.aarch64_since is not None and minor >= self.aarch64_since
        return (*self.arches, "aarch64") if has_aarch64 else self.arches


_I386: dict[str, Any] = dict(arches=("i386",), aarch64_since=None)
_OLD: dict[str, Any] = dict(arches=("i386", "x86_64"), aarch64_since=None)

# Last days of maintenance: https://access.redhat.com/support/policy/updates/errata; minors by osinfo-db.
_RHEL = {
    "2.1": _Line(last=6, skipped=(1,), **_I386, end_of_life="2009-05-31"),
    "3": _Line(last=9, **_OLD, end_of_life="2010-10-31"),
    "4": _Line(last=9, **_OLD, end_of_life="2012-02-29"),
    "5": _Line(last=11, **_OLD, end_of_life="2017-03-31"),
    "6": _Line(last=10, **_OLD, end_of_life="2020-11-30"),
    "7": _Line(last=9, aarch64_since=2, end_of_life="2024-06-30"),
    "8": _Line(last=10, end_of_life="2029-05-31"),
    "9": _Line(last=8, is_growing=True, end_of_life="2032-05-31"),
    "10": _Line(last=2, is_growing=True, end_of_life="2035-05-31"),
}

_VIRTIO = {name: TRUNK["F 9"][name] for name in ("disk_bus", "disk_buses", "nic_model", "nic_models")}
# Of 8 and later: the disc's layout, and room for what the installer fetches.
_BASEOS = {
    "packages_path": "/BaseOS/repodata/repomd.xml",
    "filesystems": ("xfs", "ext4", "ext3", "ext2"),
    "boot_filesystem": "xfs",
    "memory_bytes": TRUNK["F 40"]["memory_bytes"],
}

_FACTS = timeline(
    tuple(version for major, line in _RHEL.items() for version in line.versions(major)),
    {
        # The floppies and LILO's successor of Red Hat Linux 7.2; its network card and UTF-8 [old Oz].
        "2.1.0": {
            **TRUNK["RHL 7.2"],
            "volume_id": "",
            "packages_path": "/RedHat/RPMS/redhat-release-as-2.1AS-1.noarch.rpm",
            "nic_model": "pcnet",
            "lang": "en_US.UTF-8",
            "langsupport": "--default en_US.UTF-8 en_US.UTF-8",
        },
        # Kernel and initrd by themselves are not reliable in 3, and noisy in 4 [old Oz]: boot.iso.
        "3.0": {
            **TRUNK["RHL 9"],
            "volume_id": "",
            "packages_path": "/RedHat/RPMS/redhat-release-3AS-1.i386.rpm",
            "has_serial_console": True,
            "firewall": "--enabled --ssh",
            "clearpart": "--all --initlabel",
            "firstboot": "--disable",
            "packages": ("openssh-server",),
            "package_manager": "up2date",
            "memory_bytes": TRUNK["FC 1"]["memory_bytes"],
        },
        "4.0": {
            **TRUNK["FC 3"],
            "volume_id": "RHEL/4 {arch}",
            "packages_path": "/RedHat/RPMS/redhat-release-4AS-2.4.i386.rpm",
            "tree_boot": "iso",
            "package_manager": "up2date",
        },
        "4.1": dict(volume_id="RHEL/4-U{minor} {arch}"),
        # virtio came with U8 and with 5.4 [old Oz].
        "4.8": _VIRTIO,
        "4.9": dict(volume_id="RHEL_4.9 {arch}"),
        "5.0": {
            **TRUNK["FC 6"],
            "volume_id": "RHEL/{version} {arch} DVD",
            "packages_path": "/Server/repodata/repomd.xml",
            # The installer asks for the installation number without it [old Oz].
            "needs_key": True,
        },
        # glibc reads SHA-512 hashes (release notes of 5.2).
        "5.2": dict(password_schemes=("sha512",)),
        "5.4": _VIRTIO,
        "6.0": {
            **TRUNK["F 13"],
            "log_channel": TRUNK["F 15"]["log_channel"],
            "volume_id": "RHEL_{version} {arch} Disc 1",
            "packages_path": "/repodata/repomd.xml",
            # Base goes in unless it is taken out; core is enough [old Oz].
            "needs_dvd": False,
            "packages_options": " --nobase",
            "packages": ("@core", "openssh-server"),
        },
        "6.6": dict(volume_id="RHEL-{version} Server.{arch}"),
        "7.0": {
            **TRUNK["F 19"],
            "volume_id": "RHEL-{version} Server.{arch}",
            "filesystems": ("xfs", "ext4", "ext3", "ext2", "btrfs"),
            "boot_filesystem": "xfs",
        },
        # OpenSSH 7.4 (release notes of 7.4).
        "7.4": dict(has_legacy_ssh=False),
        # btrfs is gone (considerations in adopting 8).
        "8.0": {**TRUNK["F 28"], **_BASEOS, "volume_id": "RHEL-{major}-{minor}-0-BaseOS-{arch}"},
        "9.0": {**TRUNK["F 34"], **_BASEOS, "volume_id": "RHEL-{major}-{minor}-0-BaseOS-{arch}"},
        "10.0": {
            **TRUNK["F 40"],
            **_BASEOS,
            "volume_id": "RHEL-{major}-{minor}-BaseOS-{arch}",
            "filesystems": ("xfs", "ext4"),
            # Its kernel drives neither IDE disks nor the old cards.
            "disk_buses": ("virtio", "sata", "scsi"),
            "nic_models": ("virtio", "e1000e"),
        },
    },
    start={},
)


def _lines(volume_id: str, *majors: str, **changes: Any) -> dict[str, _Line]:
    """Those of Red Hat that were rebuilt, with what is different."""
    return {major: replace(_RHEL[major], volume_id=volume_id, **changes) for major in majors}


# Volume ids, minor releases and last days: osinfo-db, the old Oz for the ids of 3 to 5, and the distributors' own
# pages. Those of Scientific Linux's discs are not known, and stand here for dry runs alone: .treeinfo and .discinfo
# tell what a disc is.
_LINES = {
    "RHEL": _RHEL,
    "CentOS": {
        **_lines("CentOS-{version} server", "3", first=1),
        **_lines("CentOS {version} {arch} DVD", "4"),
        **_lines("CentOS_{version}_Final", "5", "6"),
        **_lines("CentOS 7 {arch}", "7"),
        **_lines("CentOS-8-{minor}-{arch}-dvd", "8", last=5, end_of_life="2021-12-31"),
    },
    "CentOSStream": {
        **_lines("CentOS-Stream-8-{arch}-dvd", "8", end_of_life="2024-05-31"),
        **_lines("CentOS-Stream-9-BaseOS-{arch}", "9", end_of_life="2027-05-31"),
        **_lines("CentOS-Stream-10-BaseOS-{arch}", "10", end_of_life="2030-05-31"),
    },
    "ScientificLinux": {
        **_lines("Scientific Linux {version} {arch}", "4", "5", "6"),
        **_lines("Scientific Linux {version} {arch}", "7", aarch64_since=None),
    },
    "ScientificLinuxCern": _lines("Scientific Linux CERN {version}", "4", "5", "6"),
    "OracleLinux": {
        **_lines("OL{version} {arch} Disc 1", "5", end_of_life="2017-06-30"),
        **_lines("OL{version} {arch} Disc 1", "6", end_of_life="2021-03-31"),
        **_lines("OL-{version} Server.{arch}", "7", aarch64_since=5, end_of_life="2024-12-31"),
        **_lines("OL-{major}-{minor}-0-BaseOS-{arch}", "8", "9", "10"),
    },
    "AlmaLinux": {
        **_lines("AlmaLinux-{major}-{minor}-{arch}-dvd", "8", first=3),
        **_lines("AlmaLinux-{major}-{minor}-{arch}-dvd", "9", "10"),
    },
    "Rocky": {
        **_lines("Rocky-{major}-{minor}-{arch}-dvd", "8", first=3),
        **_lines("Rocky-{major}-{minor}-{arch}-dvd", "9", "10"),
    },
}


def _rows(distro: str, major: str, line: _Line) -> Iterator[Release]:
    versions = line.versions(major)
    for version in versions:
        facts = _FACTS[version]
        if line.volume_id:
            facts = {**facts, "volume_id": line.volume_id}
        if line.volume_id and facts["package_manager"] == "up2date":
            # Rebuilds have no Red Hat Network to go to, and came with the yum of their Fedora Core instead.
            facts["package_manager"] = "yum-conf" if major == "3" else "yum-old"
        # A stream has no minor releases.
        name = major if distro == "CentOSStream" else version
        if name == version or version == versions[-1]:
            release = make_row(distro, name, line.arches_of(version), line.end_of_life, facts)
            yield replace(release, is_growing=line.is_growing and version == versions[-1])


RELEASES: tuple[Release, ...] = (
    *(
        make_row("RedHatLinux", version, ("i386",), end, TRUNK[f"RHL {version}"])
        for version, end in RED_HAT_LINUX.items()
    ),
    *(
        release
        for distro, lines in _LINES.items()
        for major, line in lines.items()
        for release in _rows(distro, major, line)
    ),
)

# How the old Oz's templates write a major version, and shorter names.
_NAMES = {
    "RHEL": ("RHEL", "RedHatEnterpriseLinux"),
    "CentOS": ("CentOS",),
    "CentOSStream": ("CentOSStream",),
    "ScientificLinux": ("ScientificLinux", "SL"),
    "ScientificLinuxCern": ("ScientificLinuxCern", "SLC"),
    "OracleLinux": ("OracleLinux", "OracleEnterpriseLinux", "OEL", "OL"),
    "AlmaLinux": ("AlmaLinux",),
    "Rocky": ("Rocky", "RockyLinux"),
}
ALIASES: dict[str, Alias] = {
    "RHL": Alias(distro="RedHatLinux"),
    **{
        f"{name}-{major}": Alias(distro=distro, major=major)
        for distro, names in _NAMES.items()
        for name in names
        for major in _LINES[distro]
    },
    **{name: Alias(distro=distro) for distro, names in _NAMES.items() for name in names if name != distro},
    # There is no other CentOS 9 and 10.
    **{f"CentOS-{major}": Alias(distro="CentOSStream", major=major) for major in ("9", "10")},
}
