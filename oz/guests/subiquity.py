"""Ubuntu as subiquity installs it, by an autoinstall file: from a live server medium or, from 23.04 on, a desktop's."""

import re
from dataclasses import dataclass, replace

from oz.errors import MediumError
from oz.guests.base import SAME_NETWORK_NAMES, Guest, UnixFacts, disk_device
from oz.guests.curtin import storage_actions
from oz.guests.debianfacts import ARCHITECTURES, DebianFacts
from oz.guests.edits import plan_edits
from oz.guests.partitions import BIOS_BOOT, check_room
from oz.guests.ubuntu import Ubuntu
from oz.model import (
    Access,
    Boot,
    Hardware,
    Identity,
    InstallPlan,
    MediaPlan,
    Medium,
    MediumEdit,
    PartitionPlan,
    Settings,
    Tdl,
)
from oz.render import render

_KERNEL, _INITRD = "/casper/vmlinuz", "/casper/initrd"
_GRUB = "/boot/grub/grub.cfg"
_ISOLINUX = "/isolinux/isolinux.cfg"
_SOURCES = "/casper/install-sources.yaml"
"""What the installer can install: on every medium with subiquity since 21.10 (autoinstall reference, "source")."""
_SCRIPT = "/oz/late.sh"
_SEED = "/nocloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubiquityFacts(UnixFacts):
    """What differs between the releases of Ubuntu with this installer."""

    reads_medium: bool
    """It looks for its answer file on the medium; else cloud-init brings it, from a NoCloud seed that lies there."""
    can_power_off: bool
    """It knows the key "shutdown"; else our last command powers the machine off."""
    medium_name: str
    """How the volume id of its server medium begins."""
    mirror: str
    ports_mirror: str | None
    """See DebianFacts."""
    disk_bytes_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EitherFacts(DebianFacts):
    """Of a release with both installers: those of debian-installer, and beside them the other's."""

    live: SubiquityFacts


class Subiquity(Guest):
    facts: SubiquityFacts
    installer = "subiquity"
    log_command = "journalctl --no-tail -f | grep --line-buffered -m 20000 -E 'subiquity|curtin'"
    log_places = ("/var/log/installer",)
    identity_files = Ubuntu.identity_files
    medium_hint = "use the live server medium, or from 23.04 on the desktop's"
    is_on_live_media = True

    # ---------------------------------------------------------------- media

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        return self.plan_iso(tdl, *self.identity_files, _GRUB)

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        return Ubuntu.identify(medium)

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        return _KERNEL, _INITRD

    def check_medium(self, tdl: Tdl, medium: Medium) -> None:
        """Desktop media without subiquity are told by their name: those of servers have always had it."""
        super().check_medium(tdl, medium)
        if _SOURCES not in medium.paths and not medium.volume_id.startswith("Ubuntu-Server"):
            raise MediumError(
                f"{medium.path or 'the medium'} has no installer that reads an answer file: volume id "
                f"{medium.volume_id!r}, and no {_SOURCES}",
                hint=self.medium_hint,
            )

    def documented_medium(self, tdl: Tdl) -> Medium:
        """The live server medium, with the volume id that osinfo-db has."""
        volume_id = f"{self.facts.medium_name} {ARCHITECTURES[self.arch].name}"
        return Medium(path=None, volume_id=volume_id, paths=frozenset({_KERNEL, _INITRD, _GRUB}))

    # ---------------------------------------------------------------- the disk

    def _partitions(self, tdl: Tdl, settings: Settings, hardware: Hardware) -> PartitionPlan:
        """As the installer's own layouts have it, the disk has a GPT, whatever its size."""
        plan = self.plan_partitions(tdl, hardware)
        if hardware.firmware == "bios" and BIOS_BOOT not in plan.partitions:
            plan = replace(plan, partitions=(BIOS_BOOT, *plan.partitions))
        if settings.answer is None:
            check_room(tdl, self.title, plan, self.facts.disk_bytes_min)
        return plan

    def check_template(self, tdl: Tdl, settings: Settings) -> None:
        self._partitions(tdl, settings, self.plan_hardware(tdl, settings))

    # ---------------------------------------------------------------- installing

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        medium = medium or self.documented_medium(tdl)
        facts, hardware = self.facts, self.plan_hardware(tdl, settings)
        partitions = self._partitions(tdl, settings, hardware)
        variables = {
            **self.answer_variables(tdl, access),
            "hostname": self.release.distro.lower(),
            "late_command": f"sh /cdrom{_SCRIPT}",
            "mirror": (self.arch == "aarch64" and facts.ports_mirror) or facts.mirror,
            "storage": storage_actions(partitions, disk_device(hardware)),
            "target": "/target",
        }
        hint = "add {{ late_command }} as the last of its late-commands: it brings the key in and says so"
        answer = self.render_answer("autoinstall/user-data", settings, variables, variables["late_command"], hint)
        script = render("autoinstall/late.sh", **variables, needs_sshd=settings.answer is None)
        path = "/autoinstall.yaml" if facts.reads_medium else f"{_SEED}/user-data"
        files = {path: answer, _SCRIPT: script}
        if not facts.reads_medium:
            # NoCloud takes a directory for a seed only if both files are there.
            files[f"{_SEED}/meta-data"] = "instance-id: oz\n"
        return InstallPlan(
            answer_name=path.rpartition("/")[2],
            answer=answer,
            boots=(Boot(device="cdrom"),),
            **self.plan_common(hardware, settings),
            edits=self._edits(tdl, medium, hardware, settings, files),
        )

    def _arguments(self, tdl: Tdl, medium: Medium, settings: Settings) -> str:
        """Kernel arguments. What follows the separator, and consoles, curtin keeps for the installed system."""
        words = ["autoinstall"]
        # A desktop's menu says which of its file systems is the installer's.
        menu = medium.contents.get(_GRUB, b"").decode("utf-8", "replace")
        words += re.findall(r"^\s*linux\s.*?\s(layerfs-path=[\w.-]+)", menu, re.MULTILINE)[:1]
        if not self.facts.reads_medium:
            words.append(f"ds=nocloud;s=/cdrom{_SEED}/")
        # casper would wait for the medium to be taken out, and read all of it first to see whether it is whole.
        words += ["noprompt", "fsck.mode=skip", *self.extra_arguments(tdl, settings)]
        return " ".join([*words, "---", "console=tty0", f"console={self.ports.console}", SAME_NETWORK_NAMES])

    def _edits(
        self, tdl: Tdl, medium: Medium, hardware: Hardware, settings: Settings, files: dict[str, str]
    ) -> tuple[MediumEdit, ...]:
        """Our files, and boot menus that start at once. GRUB of the EFI boot image reads the menu of the ISO."""
        variables = {"kernel": _KERNEL, "initrd": _INITRD, "arguments": self._arguments(tdl, medium, settings)}
        menus = {_GRUB: render("boot/grub.cfg", **variables), _ISOLINUX: render("boot/isolinux.cfg", **variables)}
        return plan_edits(medium, hardware.firmware, _GRUB, menus, files)


class UbuntuEither(Ubuntu):
    """Ubuntu 20.04: its live media have subiquity, its legacy server CD and netboot tree debian-installer.

    Which one it is the medium tells: a template says 20.04, as ever.
    """

    facts: EitherFacts
    medium_hint = "use the live server or the legacy server medium"

    def _live(self, medium: Medium | None) -> Subiquity | None:
        if medium is None or self._kind(medium) != "live":
            return None
        return Subiquity(replace(self.release, facts=self.facts.live), self.version, self.arch)

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        media = super().plan_media(tdl)
        return replace(media, read=(*media.read, _GRUB)) if tdl.install_type == "iso" else media

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        live = self._live(medium)
        return live.installer_paths(medium) if live else super().installer_paths(medium)

    def check_medium(self, tdl: Tdl, medium: Medium) -> None:
        if live := self._live(medium):
            live.check_medium(tdl, medium)
        else:
            super().check_medium(tdl, medium)

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        if live := self._live(medium):
            return live.plan_install(tdl, medium, access, settings)
        return super().plan_install(tdl, medium, access, settings)
