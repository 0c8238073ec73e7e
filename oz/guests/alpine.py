"""Alpine Linux, installed by setup-alpine from a CD, whose live system finds our overlay beside its packages."""

import gzip
import io
import re
import tarfile
from dataclasses import dataclass

from oz.errors import UnsupportedError
from oz.guests.base import Guest, UnixFacts, disk_device
from oz.guests.edits import plan_edits
from oz.model import (
    Access,
    Boot,
    Hardware,
    Identity,
    InstallPlan,
    MediaPlan,
    Medium,
    Settings,
    Tdl,
)
from oz.render import render
from oz.units import MIB

_ARCHES = {"i386": "x86", "x86_64": "x86_64", "aarch64": "aarch64"}
"""As volume ids have them."""
_SYSLINUX, _GRUB = "/boot/syslinux/syslinux.cfg", "/boot/grub/grub.cfg"
# nlplug-findfs, in the initramfs, takes the *.apkovl.tar.gz in the root of any file system (mkinitfs).
_OVERLAY = "/oz.apkovl.tar.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpineFacts(UnixFacts):
    """What differs between the releases."""

    mirror: str


class Alpine(Guest):
    facts: AlpineFacts
    installer = "alpine"
    medium_hint = "use the CD called standard, virt or extended"
    power_off_command = "poweroff"

    # ---------------------------------------------------------------- media

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        return self.plan_iso(tdl)

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        """By the volume id, "alpine-virt 3.21.0 x86_64" (aports, scripts/mkimage.sh)."""
        found = re.fullmatch(r"alpine-(std|standard|virt|ext|extended) (\d+\.\d+\.\d+\S*) (\S+)", medium.volume_id)
        if not found:
            return ()
        arches = tuple(arch for arch, name in _ARCHES.items() if name == found[3]) or (found[3],)
        return (Identity(distro="Alpine", version=found[2], arches=arches, variant="cd"),)

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        kind = "virt" if "/boot/vmlinuz-virt" in medium.paths else "lts"
        return f"/boot/vmlinuz-{kind}", f"/boot/initramfs-{kind}"

    def documented_medium(self, tdl: Tdl) -> Medium:
        """The CD called virt, as aports' scripts/mkimg.base.sh makes it."""
        menus = {_GRUB} if self.arch in self.facts.hardware.efi_architectures else set()
        if self.arch != "aarch64":
            menus.add(_SYSLINUX)
        paths = frozenset({"/boot/vmlinuz-virt", "/boot/initramfs-virt", *menus})
        return Medium(path=None, volume_id=f"alpine-virt {self.release.version}.0 {_ARCHES[self.arch]}", paths=paths)

    # ---------------------------------------------------------------- installing

    def check_template(self, tdl: Tdl, settings: Settings) -> None:
        self._disk(tdl, self.plan_hardware(tdl, settings))

    def _disk(self, tdl: Tdl, hardware: Hardware) -> tuple[int, str]:
        """MiB of swap, and the root's file system: all that setup-disk can be told; it makes a /boot by itself."""
        plan = self.plan_partitions(tdl, hardware)
        wanted = {one.mount: one for one in plan.partitions if one.mount not in ("/boot/efi", "biosboot")}
        if set(wanted) - {"/", "swap"} or wanted["/"].size_bytes is not None:
            raise UnsupportedError(
                f"{tdl.where('partitions')}: {self.title} makes / of the rest of the disk, swap, and no other",
                hint="give / no size, and leave out the others",
            )
        swap = wanted["swap"].size_bytes if "swap" in wanted else 0
        return (swap or 0) // MIB, wanted["/"].filesystem or ""

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        assert medium is not None
        hardware = self.plan_hardware(tdl, settings)
        swap_mib, filesystem = self._disk(tdl, hardware)
        console = f"console=tty0 console={self.ports.console}"
        variables = {
            **self.answer_variables(tdl, access),
            "disk_device": disk_device(hardware),
            "filesystem": filesystem,
            "kept_arguments": console,
            "repositories": [f"{self.facts.mirror}/v{self.release.version}/{name}" for name in ("main", "community")],
            "swap_mib": swap_mib,
            "target": "/mnt",
        }
        answer = self.render_answer("alpine/answers", settings, variables)
        install, start = (render(f"alpine/{name}", **variables) for name in ("install", "oz.start"))
        words = ["modules=loop,squashfs,sd-mod,usb-storage", *self.extra_arguments(tdl, settings), console]
        kernel, initrd = self.installer_paths(medium)
        boot = {"kernel": kernel, "initrd": initrd, "arguments": " ".join(words)}
        menus = {_SYSLINUX: render("boot/isolinux.cfg", **boot), _GRUB: render("boot/grub.cfg", **boot)}
        menu = _GRUB if hardware.firmware == "efi" else _SYSLINUX
        return InstallPlan(
            answer_name="answers",
            answer=answer,
            edits=plan_edits(medium, hardware.firmware, menu, menus, {_OVERLAY: _overlay(answer, install, start)}),
            boots=(Boot(device="cdrom"),),
            **self.plan_common(hardware, settings),
        )


def _overlay(answer: str, install: str, start: str) -> bytes:
    """What is laid over the live system's own files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text, mode in (
            # Without it, an overlay has to name all services itself (mkinitfs, initramfs-init).
            ("etc/.default_boot_services", "", 0o644),
            ("etc/oz/answers", answer, 0o600),
            ("etc/oz/install", install, 0o600),
            ("etc/local.d/oz.start", start, 0o700),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), mode
            archive.addfile(member, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("etc/runlevels/default/local")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/init.d/local"
        archive.addfile(link)
    return gzip.compress(data.getvalue(), mtime=0)
