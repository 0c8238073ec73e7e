"""What tells the releases of Windows from Vista on apart; their values are in oz.guests.releases."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from oz.guests.base import InstallerFacts
from oz.model import Edition

ARCHES = {"i386": "x86", "x86_64": "amd64"}
"""What answer files and drivers' directories call them. Of the others, aarch64 has media too, but there Windows has no
driver for the marker port, a serial port on PCI."""

# The first kernel of each, its system for clients and for servers
# (https://learn.microsoft.com/windows/win32/sysinfo/operating-system-version; the builds: its release information).
_KERNELS = (
    ((6, 0), "Vista", "2008"),
    ((6, 1), "7", "2008R2"),
    ((6, 2), "8", "2012"),
    ((6, 3), "8.1", "2012R2"),
    ((10, 0), "10", "2016"),
    ((10, 0, 17763), "10", "2019"),
    ((10, 0, 20348), "10", "2022"),
    ((10, 0, 22000), "11", "2022"),
    ((10, 0, 26100), "11", "2025"),
)

# By osinfo-db's lists of volume ids. From 10 on they do not tell releases apart.
VOLUMES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (r"(FB1|LRM|FR?TM|FRM)[BEC]X(VOL|FRE)_", ("Vista",), "x86_64"),
    (r"(FB1|LRM|FR?TM|FRM)[BEC](VOL|FRE)_", ("Vista",), "i386"),
    (r"KR(TMS|MS|MW)X(VOL|CHK)_", ("2008",), "x86_64"),
    (r"KR(TMS|MS|MW)(VOL|CHK)_", ("2008",), "i386"),
    (r"GRMSH?X(VOL|FRER)_", ("2008R2",), "x86_64"),
    (r"GSP1RMC[A-Z]*X(VOL|FRE[RO]|CHK)_|GRMC[A-Z]*X(VOL|FRE[RO]|CHK)_", ("7",), "x86_64"),
    (r"GSP1RMC[A-Z]*(VOL|FRE[RO]|CHK)_|GRMC[A-Z]*(VOL|FRE[RO]|CHK)_", ("7",), "i386"),
    (r"(HRM|HB1)_C[A-Z]+_X64", ("8",), "x86_64"),
    (r"(HRM|HB1)_C[A-Z]+_X86", ("8",), "i386"),
    (r"HRM_S[A-Z]+_X64", ("2012",), "x86_64"),
    (r"IR[M1-5]_C[A-Z]+_X64", ("8.1",), "x86_64"),
    (r"IR[M1-5]_C[A-Z]+_X86", ("8.1",), "i386"),
    (r"IR[M1-5]_S[A-Z]+_X64", ("2012R2",), "x86_64"),
    (r"(J_)?C(C?COM|[CEP][A-Z]*)A?_X86FRE", ("10",), "i386"),
    (r"(J_)?C(C?COM|[CEP][A-Z]*)A?_X64FRE", ("10", "11"), "x86_64"),
    (r"(J_)?C(C?COM|[CEP][A-Z]*)A?_A64FRE", ("10", "11"), "aarch64"),
    (r"(SSS|SESS|SHV)_X64", ("2016", "2019", "2022", "2025"), "x86_64"),
)
"""Pattern of the volume id, the versions that have it, architecture."""

ADMINISTRATORS = {
    "es": "Administrador",
    "fi": "Järjestelmänvalvoja",
    "fr": "Administrateur",
    "hu": "Rendszergazda",
    "pt": "Administrador",
    "ru": "Администратор",
    "sv": "Administratör",
}
"""What systems in these languages call the account Administrator; from memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnattendFacts(InstallerFacts):
    """What differs between the releases."""

    is_server: bool
    """Passwords must be of three kinds of characters."""
    edition: str
    """The identifier of what is installed where the template names none."""
    edition_name: str
    """What its installer calls it."""
    kernel: str
    """Of the medium that plans without one are made for."""
    generic_keys: Mapping[str, str]
    """By the edition's identifier: keys that install it and activate nothing by themselves."""
    has_network_location: bool
    """It asks what kind of network it is on."""
    has_wireless_setup: bool
    has_online_accounts: bool
    bypassed_checks: tuple[str, ...]
    """What Setup is told not to look at: values of HKLM\\SYSTEM\\Setup\\LabConfig."""
    disk_bytes_min: Mapping[str, int]
    """By architecture."""
    disk_bytes_max: int | None = None
    openssh_build: int | None
    """The build from which on it has OpenSSH for the asking; None: it has none."""
    virtio_directory: str
    """Its drivers on the CD of virtio drivers."""
    reboots: int
    enter_s: float


def version_of(edition: Edition) -> str | None:
    """The release that an image archive's system is of; None for what is older than all."""
    kernel = tuple(int(part) for part in edition.version.split(".") if part)
    found = [names[edition.is_server] for first, *names in _KERNELS if first <= kernel]
    return found[-1] if found else None


def plain_id(edition: Edition) -> str:
    """Its identifier, whether it is for evaluation, and with a desktop, or not: "ServerStandardCoreEval"."""
    return re.sub(r"(?<=Server)(\w+?)(Core)?(Eval)?$|Eval$", r"\1", edition.edition_id)
