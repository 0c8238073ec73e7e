"""What tells the releases of Windows that text-mode setup installs apart; their values are in oz.guests.releases."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from oz.guests.base import InstallerFacts
from oz.model import Variant

DIRECTORIES = {"i386": "i386", "x86_64": "amd64"}
"""Where the installer lies on the CD."""

# By osinfo-db's lists of volume ids: what was built (service packs included), edition, architecture (none, X, I for
# Itanium), channel; then a language, "_EN". The table is searched from its head.
VOLUMES: tuple[tuple[str, str, tuple[str, ...], Variant], ...] = (
    (r"(W2|SP[1-4]|[YZ]RM)[APS](FPP|OEM|SEL|CCP)|WIN2000|W2K_SP", "2000", ("i386",), "cd"),
    (r"[XVM]RMSD2_", "XP", ("i386",), "later-disc"),
    (r"GRTMUPD_", "XP", ("i386",), "other"),
    (r"((WX|XRM|X1A|VRM|VX2)[PH]|MX2P|GRTM[PH])[A-Z]+_", "XP", ("i386",), "cd"),
    (r"(ARM|AX2)PX[A-Z]+_", "XP", ("x86_64",), "cd"),
    (r"CR0SP[XI]?2_", "2003", (), "other"),
    (r"(CR0[ES]CD2X?|BRM[ES]CD2X?FRE)_", "2003R2", (), "later-disc"),
    (r"[AN]RM[DESW]I[A-Z]{3}_", "2003", ("ia64",), "cd"),
    (r"[AN]RM[DESW]X[A-Z]{3}_", "2003", ("x86_64",), "cd"),
    (r"[AN]RM[DESW][A-Z]{3}_", "2003", ("i386",), "cd"),
    (r"(CRM|BRM|BX2)[DESW]X[A-Z]{3}_", "2003R2", ("x86_64",), "cd"),
    (r"(CRM|BRM|BX2)[DESW][A-Z]{3}_", "2003R2", ("i386",), "cd"),
)
"""Pattern of the volume id, version, architectures, variant."""

TAGS: tuple[tuple[str, str, str], ...] = (
    (r"/cdrom_i[psad]\.5", "2000", "i386"),
    (r"/win51i[pc]", "XP", "i386"),
    (r"/win51ap", "XP", "x86_64"),
    (r"/win51i[sabdl]", "2003", "i386"),
    (r"/win51a[sad]", "2003", "x86_64"),
)
"""Files in the root by which Setup itself knows its disc, for media under a volume id of somebody's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsFacts(InstallerFacts):
    """What differs between the releases."""

    product_key_name: Literal["ProductID", "ProductKey"]
    """What [UserData] calls the key of the package."""
    target_path: str
    has_server_editions: bool
    """Setup asks the servers how clients are licensed."""
    asks_about_new_disks: bool
    """Text-mode setup stops at a disk without a partition table."""
    disk_bytes_min: Mapping[str, int]
    """By architecture."""
    disk_bytes_max: int | None
    volume_ids: Mapping[str, str]
    """By architecture: of a CD as Microsoft made it."""
    reboots: int
