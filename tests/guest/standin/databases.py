"""Lists of installed packages for the stand-ins' system: rpm's and dpkg's, a few dozen packages each."""

import subprocess
import tempfile
from pathlib import Path

NAMES = [
    "basesystem",
    "bash",
    "coreutils",
    "cpio",
    "crontabs",
    "dhclient",
    "diffutils",
    "e2fsprogs",
    "filesystem",
    "findutils",
    "gawk",
    "glibc",
    "grep",
    "grub",
    "gzip",
    "hostname",
    "info",
    "iproute",
    "iputils",
    "kernel",
    "less",
    "logrotate",
    "mktemp",
    "ncurses",
    "net-tools",
    "openssh-clients",
    "openssh-server",
    "pam",
    "passwd",
    "procps",
    "readline",
    "rootfiles",
    "rpm",
    "sed",
    "setup",
    "shadow-utils",
    "sysklogd",
    "tar",
    "util-linux",
    "vim-minimal",
    "zlib",
]
_PACKAGE = """
%package -n {name}
Summary: A stand-in for {name}
%description -n {name}
%files -n {name}
"""
_SPEC = """Name: standin
Version: {version}
Release: 1
Summary: Stand-ins
License: none
%description
"""


def build() -> dict[str, bytes]:
    """Files of the system, by their paths."""
    return {"var/lib/dpkg/status": _dpkg_status(), "var/lib/dpkg/available": b"", **_rpm_database()}


def _dpkg_status() -> bytes:
    stanzas = [
        f"Package: {name}\nStatus: install ok installed\nPriority: required\nSection: base\nInstalled-Size: 1\n"
        f"Maintainer: nobody <root@localhost>\nArchitecture: amd64\nVersion: 1:{number}.0-1\nDescription: stand-in\n"
        for number, name in enumerate(NAMES, 1)
    ]
    return "\n".join(stanzas).encode()


def _rpm_database() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        spec = _SPEC.format(version="1.0") + "".join(_PACKAGE.format(name=name) for name in NAMES)
        (top / "standin.spec").write_text(spec)
        run = ["rpmbuild", "--quiet", "-bb", "--target", "noarch", "--define", f"_topdir {top}", "--nodeps"]
        subprocess.run([*run, str(top / "standin.spec")], check=True, capture_output=True)
        packages = sorted(map(str, (top / "RPMS").rglob("*.rpm")))
        assert len(packages) == len(NAMES)
        place = top / "database"
        rpm = ["rpm", "--dbpath", str(place), "--define", "_db_backend sqlite"]
        install = ["-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch"]
        subprocess.run([*rpm, *install, *packages], check=True, capture_output=True)
        return {f"var/lib/rpm/{path.name}": path.read_bytes() for path in place.iterdir() if path.name[0] != "."}
