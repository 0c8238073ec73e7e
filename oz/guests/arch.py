"""Arch Linux, installed by a script of ours with the live CD's own pacstrap, from a mirror."""

import re
from dataclasses import dataclass

from oz.guests.base import KEY_MARK, SAME_NETWORK_NAMES, Guest, UnixFacts, disk_device
from oz.model import (
    Access,
    Boot,
    Hardware,
    Identity,
    InstallPlan,
    MediaPlan,
    Medium,
    MediumEdit,
    Settings,
    Tdl,
)
from oz.render import render
from oz.units import MIB

_MENU = "/boot/syslinux/syslinux.cfg"
_BOOT = "/arch/boot/x86_64"
# Where the live system has the medium (archiso, its mkinitcpio hook), and our files on it.
_MEDIUM, _DIRECTORY = "/run/archiso/bootmnt", "/oz"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchFacts(UnixFacts):
    """What there is to know of the one release that there is at any time."""

    mirror: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A partition, as sfdisk and mkfs have it."""

    device: str
    mount: str
    filesystem: str
    mib: int | None


class Arch(Guest):
    facts: ArchFacts
    installer = "arch"
    medium_hint = "use the CD archlinux-DATE-x86_64.iso"

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        return self.plan_iso(tdl)

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        """By the volume id, "ARCH_202601" (archiso, configs/releng/profiledef.sh)."""
        if not re.fullmatch(r"ARCH_\d{6}", medium.volume_id):
            return ()
        return (
            Identity(distro="Arch", version=medium.volume_id.removeprefix("ARCH_"), arches=("x86_64",), variant="cd"),
        )

    def is_version(self, version: str) -> bool:
        """Every medium installs what the mirror has today."""
        return True

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        return f"{_BOOT}/vmlinuz-linux", f"{_BOOT}/initramfs-linux.img", _MENU

    def documented_medium(self, tdl: Tdl) -> Medium:
        """archiso's releng profile."""
        return Medium(path=None, volume_id="ARCH_202601", paths=frozenset(self.installer_paths(Medium(path=None))))

    def check_template(self, tdl: Tdl, settings: Settings) -> None:
        self._slices(tdl, self.plan_hardware(tdl, settings))

    def _slices(self, tdl: Tdl, hardware: Hardware) -> list[Slice]:
        """In the order of their mounting; what takes the rest is the last on the disk, where sfdisk takes all."""
        plan = self.plan_partitions(tdl, hardware)
        wanted = sorted(plan.partitions, key=lambda one: one.size_bytes is None)
        return [
            Slice(
                device=f"{disk_device(hardware)}{number}",
                mount=one.mount,
                filesystem=one.filesystem or "",
                mib=None if one.size_bytes is None else one.size_bytes // MIB,
            )
            for number, one in enumerate(wanted, 1)
        ]

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        assert medium is not None
        hardware = self.plan_hardware(tdl, settings)
        slices = self._slices(tdl, hardware)
        console = f"console=tty0 console={self.ports.console}"
        variables = {
            **self.answer_variables(tdl, access),
            "disk_device": disk_device(hardware),
            "kept_arguments": f"{SAME_NETWORK_NAMES} {console}",
            "mirror": self.facts.mirror,
            "mounts": sorted((one for one in slices if one.mount != "swap"), key=lambda one: one.mount),
            "needs_tools": any(one.filesystem in ("xfs", "btrfs") for one in slices),
            "root": f"{_MEDIUM}{_DIRECTORY}",
            "slices": slices,
            "target": "/mnt",
        }
        variables["finish"] = render("arch/finish.sh", **variables)
        hint = "write {{ finish }} at its end: it brings the key in, and says which keys the host has"
        answer = self.render_answer("arch/install.sh", settings, variables, KEY_MARK, hint)
        words = [
            f"archisobasedir=arch archisolabel={medium.volume_id}",
            # With memory enough it would leave the medium, and our files.
            f"copytoram=n script={_MEDIUM}{_DIRECTORY}/start.sh",
            SAME_NETWORK_NAMES,
            *self.extra_arguments(tdl, settings),
            console,
        ]
        kernel, initrd, _ = self.installer_paths(medium)
        menu = render("boot/isolinux.cfg", kernel=kernel, initrd=initrd, arguments=" ".join(words))
        texts = {
            f"{_DIRECTORY}/install.sh": answer,
            f"{_DIRECTORY}/start.sh": render("arch/start.sh", **variables),
            _MENU: menu,
        }
        return InstallPlan(
            answer_name="install.sh",
            answer=answer,
            edits=tuple(MediumEdit(path=path, content=text.encode()) for path, text in texts.items()),
            boots=(Boot(device="cdrom"),),
            **self.plan_common(hardware, settings),
        )
