"""Windows 2000, XP and 2003, installed by text-mode setup from the CD as it is, with winnt.sif on a floppy.

Setup that was started from the CD looks for A:\\WINNT.SIF (Microsoft's course for Windows 2000 Server, "Bootable
CD-ROM"; the only way libosinfo takes), so nothing is remastered. The floppy also brings the script that ends the
installation, at the first logon.

The CD stays in the drive, and first in the boot order. Its boot sector boots it at once while no partition of the disk
is active; later it asks for a key press, and goes on to the disk when none comes in 5 seconds (i386/bootfix.bin; Rufus,
res/mbr/readme.txt, and ReactOS, isoboot.S, are made to do the same).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from oz.errors import MediumError, UnsupportedError, UsageError
from oz.guests.base import Guest, InstallerFacts, SystemFacts, refuse
from oz.guests.partitions import EFI, plan_partitions
from oz.model import (
    Access,
    Action,
    Boot,
    Floppy,
    Identity,
    InstallPlan,
    MediaPlan,
    Medium,
    Partition,
    Settings,
    Tdl,
    Variant,
)
from oz.render import quote_inf, render, render_text
from oz.units import format_size

DONE = "OZDONE.VBS"
_DONE_COMMAND = f"wscript.exe A:\\{DONE}"
KEY_FORM = "XXXXX-XXXXX-XXXXX-XXXXX-XXXXX"
PASSWORD_MAX = 127
"""Characters (Microsoft's reference of Unattend.txt, AdminPassword)."""
_COMPUTER_NAME_MAX = 15
"""Characters of a NetBIOS name (https://support.microsoft.com/kb/909264)."""
_DIRECTORIES = {"i386": "i386", "x86_64": "amd64"}
"""Where the installer lies on the CD."""

# By osinfo-db's lists of volume ids: what was built (service packs included), edition, architecture (none, X, I for
# Itanium), channel; then a language, "_EN". The table is searched from its head.
_VOLUMES: tuple[tuple[str, str, tuple[str, ...], Variant], ...] = (
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

_TAGS: tuple[tuple[str, str, str], ...] = (
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


class Windows(Guest):
    facts: WindowsFacts
    installer = "windows-setup"
    log_places: ClassVar[tuple[str, ...]] = (
        "/WINDOWS/setuplog.txt",
        "/WINDOWS/setuperr.log",
        "/WINNT/setuplog.txt",
        "/WINNT/setuperr.log",
    )
    medium_hint = "use the CD that boots, the first"
    # The first logon is automatic, for which Windows needs the password itself (KB 310584, 315231).
    password_schemes = ()

    # ---------------------------------------------------------------- the installed system

    @property
    def system(self) -> SystemFacts:
        raise UnsupportedError(f"{self.title}: {self.why_unsealed}")

    @property
    def supports_customize(self) -> bool:
        return False

    def plan_customize(self, tdl: Tdl) -> tuple[Action, ...]:
        """Nothing, or UnsupportedError where the template asks for something."""
        lists = {
            "packages": tdl.packages,
            "files": tdl.files,
            "repositories": tdl.repositories,
            "commands": (*tdl.precommands, *tdl.commands),
        }
        for element, wanted in lists.items():
            if wanted:
                raise UnsupportedError(
                    f"{tdl.where(element)}: {self.title} cannot be customized: it has no ssh", hint=f"remove {element}"
                )
        return ()

    # ---------------------------------------------------------------- media

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        self._check_template(tdl)
        self._check_disk(tdl, "bios")
        return self.plan_iso(tdl)

    def _check_template(self, tdl: Tdl) -> None:
        """Return if the installer can do all that the template asks for. Raises TdlError, UnsupportedError."""
        self._check_key(tdl)
        if tdl.kernelparam:
            raise refuse(tdl, "os/kernelparam", f"the kernel of {self.title} takes no arguments", "remove it")
        if tdl.rootpw is not None:
            self._check_password(tdl, tdl.rootpw)
        self.plan_customize(tdl)

    def _check_key(self, tdl: Tdl) -> None:
        if not tdl.key:
            raise refuse(
                tdl,
                "os",
                f"{self.title} asks for a product key, which the template lacks",
                f"add <key>{KEY_FORM}</key>",
            )
        if not re.fullmatch(r"[A-Za-z0-9]{5}(-[A-Za-z0-9]{5}){4}", tdl.key):
            raise refuse(tdl, "os/key", "this is not the form of a product key", f"write it as {KEY_FORM}")

    def _check_password(self, tdl: Tdl, password: str) -> None:
        try:
            quote_inf(password)
        except UsageError as error:
            raise refuse(tdl, "os/rootpw", error.message, "take other characters") from error
        # "*" stands for an empty password (Unattend.txt, AdminPassword).
        if password == "*" or len(password) > PASSWORD_MAX:
            raise refuse(
                tdl, "os/rootpw", f"a password of {self.title} has at most {PASSWORD_MAX} characters and is not *"
            )

    def _check_disk(self, tdl: Tdl, firmware: Literal["bios", "efi"]) -> None:
        facts, size = self.facts, format_size(tdl.disk_bytes)
        plan = plan_partitions(tdl, self.title, facts.partitions, firmware)
        mine = tuple(one for one in plan.partitions if one != EFI)
        if plan.layout != "plain" or mine != (Partition(mount="/", filesystem="ntfs"),):
            raise UnsupportedError(
                f"{tdl.where('partitions')}: {self.title} is installed on one partition, all of the disk",
                hint="remove partitions",
            )
        least, most = facts.disk_bytes_min[self.arch], facts.disk_bytes_max
        if tdl.disk_bytes < least:
            raise refuse(
                tdl, "disk/size", f"{self.title} does not fit on a disk of {size}", f"give it {format_size(least)}"
            )
        if most is not None and tdl.disk_bytes > most:
            raise refuse(
                tdl, "disk/size", f"{self.title} cannot address a disk of {size}", f"it can {format_size(most)}"
            )

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        for pattern, version, arches, variant in _VOLUMES:
            if re.match(pattern, medium.volume_id, re.IGNORECASE):
                return (Identity(distro="Windows", version=version, arches=arches, variant=variant),)
        names = {path.lower() for path in medium.paths}
        for pattern, version, arch in _TAGS:
            if any(re.fullmatch(pattern, name) for name in names):
                return (Identity(distro="Windows", version=version, arches=(arch,), variant="cd"),)
        return ()

    def is_version(self, version: str) -> bool:
        """Also for 2003, which the first CD of R2 holds as well."""
        return version.startswith(self.release.version)

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        wanted = f"/{_DIRECTORIES[self.arch]}/txtsetup.sif"
        return (next((path for path in medium.paths if path.lower() == wanted), wanted),)

    def documented_medium(self, tdl: Tdl) -> Medium:
        return Medium(
            path=None,
            volume_id=self.facts.volume_ids[self.arch],
            paths=frozenset({f"/{_DIRECTORIES[self.arch]}/txtsetup.sif"}),
        )

    # ---------------------------------------------------------------- installing

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        if medium is None:
            raise MediumError(f"{self.title} is installed from its CD", hint="write <install type='iso'>")
        hardware = self.plan_hardware(tdl, settings)
        variables = {
            "computer_name": computer_name(tdl.name),
            "done_command": _DONE_COMMAND,
            "facts": self.facts,
            "nonce": access.nonce,
            "release": self.release,
            "root_password": access.root_password,
            "tdl": tdl,
        }
        answer = self._answer(settings, variables)
        variables |= {"answers": [r"System32\$winnt$.inf"], "agent": None, "openssh": None}
        done = as_dos(render("windows/done.vbs", **variables))
        return InstallPlan(
            answer_name="winnt.sif",
            answer=answer,
            floppy=Floppy(base="blank", files={"WINNT.SIF": answer.encode("ascii"), DONE: done.encode("ascii")}),
            has_partition_table=self.facts.asks_about_new_disks,
            boots=(Boot(device="cdrom", reboots=self.facts.reboots),),
            **self.plan_common(hardware, settings),
        )

    def _answer(self, settings: Settings, variables: dict[str, object]) -> str:
        if settings.answer is None:
            return as_dos(render("windows/winnt.sif", **variables))
        answer = as_dos(render_text(settings.answer, "answer file", **variables))
        if not answer.isascii():
            raise UsageError("the answer file has letters beyond ASCII, which text-mode setup reads as others")
        if _DONE_COMMAND not in answer:
            raise UsageError(
                "the answer file does not run Oz's script at the first logon, which reports the end",
                hint='add Command0="{{ done_command }}" as the last of [GuiRunOnce], and AutoLogon=Yes',
            )
        return answer


def computer_name(name: str) -> str:
    """The computer's name for a template's name: letters, digits and hyphens, not digits alone; "*", by which Setup
    makes one up, where nothing is left."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:_COMPUTER_NAME_MAX].strip("-").upper()
    return plain if re.search("[A-Z]", plain) else "*"


def as_dos(text: str) -> str:
    return re.sub(r"\r?\n", "\r\n", text)
