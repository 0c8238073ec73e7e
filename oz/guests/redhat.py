"""Red Hat's family, installed by Anaconda with a kickstart file: from a disc, from a tree, with a boot floppy."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from oz.errors import MediumError
from oz.guests.base import SAME_NETWORK_NAMES, Guest, UnixFacts, refuse
from oz.guests.edits import plan_edits
from oz.guests.partitions import BIOS_BOOT, BOOT_BYTES, is_volume
from oz.guests.redhatmedia import IDENTITY_FILES, has_packages, read_claims, variant_of
from oz.model import (
    Access,
    Boot,
    BootImage,
    Fetch,
    Floppy,
    Hardware,
    Identity,
    InstallPlan,
    MediaPlan,
    Medium,
    MediumEdit,
    Partition,
    PartitionPlan,
    Settings,
    Tdl,
)
from oz.render import render, render_text
from oz.units import GIB, KIB, MIB, format_size

_ISOLINUX_MENU = "/isolinux/isolinux.cfg"
_GRUB_MENU = "/boot/grub2/grub.cfg"
_EFI_MENU = "/EFI/BOOT/grub.cfg"
"""On the disc; the one of the same name in its EFI boot image is what UEFI firmware comes to."""
_PXEBOOT = "/images/pxeboot"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedHatFacts(UnixFacts):
    """What differs between the releases. A kickstart command that is None is left out."""

    disk_bytes_min: int

    # The medium, and the way onto the machine.
    volume_id: str
    """Of the disc that `documented_medium` describes: {version}, {major}, {minor} and {arch} are filled in."""
    packages_path: str
    """A file beside the packages, which a disc for installing from the network does not have."""
    needs_dvd: bool
    """What the answer file asks for is on more than one CD."""
    disc_boot: Literal["floppy", "isolinux", "grub"]
    """What a PC with a BIOS starts the disc by."""
    tree_boot: Literal["floppy", "iso", "kernel"]
    """What an installation from a tree starts from: its bootnet.img, its boot.iso, its kernel and initrd."""
    initrd_format: Literal["cpio", "ext2"]
    tree_protocols: tuple[str, ...]

    # Kernel arguments.
    is_dracut: bool
    """The installer's options begin with "inst.", and it finds its files on a disc by the volume id."""
    cdrom_argument: str | None
    tree_argument: str | None
    """The name of the option that takes the tree's URL."""
    arguments: tuple[str, ...]
    """More of them."""
    has_serial_console: bool

    # The kickstart file.
    has_install: bool
    """The mode has to be told from "upgrade"."""
    needs_key: bool
    """It asks for an installation number."""
    lang: str
    langsupport: str | None
    mouse: str | None
    network: str
    auth: str | None
    firewall: str | None
    selinux: str | None
    firstboot: str | None
    services: str | None
    boot_loader: Literal["lilo", "bootloader"]
    zerombr: str
    clearpart: str | None
    has_partition_table: bool
    """The disk must have one already: the installer asks about one without, whatever the answer file says."""
    has_fstype: bool
    has_reqpart: bool
    """The installer makes what the firmware needs by itself."""
    needs_boot: bool
    """Its boot loader does not find the kernel in the root file system."""
    needs_biosboot: bool
    """Every disk gets a GPT under a BIOS."""
    packages_options: str
    packages: tuple[str, ...]
    has_end: bool
    """Sections end with %end."""
    has_poweroff: bool
    """The installer can switch the machine off."""
    has_authorized_keys2: bool
    """sshd looks for keys of protocol 2 in a file of their own."""


class RedHat(Guest):
    facts: RedHatFacts
    installer = "anaconda"
    log_command = "tail -n +1 -f /tmp/anaconda.log /tmp/syslog"
    log_places = ("/var/log/anaconda", "/root/install.log", "/root/install.log.syslog", "/tmp/anaconda.log")
    identity_files = IDENTITY_FILES
    medium_hint = "use the DVD, or the first CD"

    # ---------------------------------------------------------------- media

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        read = (*self.identity_files, _EFI_MENU)
        if tdl.install_type == "iso":
            return self.plan_iso(tdl, *read)
        images = f"{self._check_tree(tdl)}/images"
        if self.facts.tree_boot == "floppy":
            return MediaPlan(fetches=(Fetch(role="floppy", url=f"{images}/bootnet.img"),))
        if self.facts.tree_boot == "iso":
            return MediaPlan(fetches=(Fetch(role="iso", url=f"{images}/boot.iso"),), read=read)
        return self.plan_kernel(f"{images}/pxeboot/vmlinuz", f"{images}/pxeboot/initrd.img")

    def _check_tree(self, tdl: Tdl) -> str:
        """The tree's URL, if the installer can read it and may be told about it."""
        if re.search(r"[\s'\"#\\]", tdl.install_url):
            # Both the kernel and the installer take them for something else.
            raise refuse(tdl, "os/install/url", "a tree's URL cannot have blanks, quotes, # or \\", "write them as %23")
        place = "the kickstart file that the installer leaves in the image"
        return self.check_tree(tdl, tdl.install_url, what="tree", protocols=self.facts.tree_protocols, place=place)

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        """By .treeinfo, else .discinfo, else the volume id, else the package that names the release; the
        architecture by the first of them that says it."""
        claims = list(read_claims(medium))
        if not claims:
            return ()
        best = next((claim for claim in claims if claim.version), claims[0])
        arches = next((claim.arches for claim in claims if claim.arches), ())
        variant, is_sure = variant_of(medium), bool(best.version)
        return (Identity(distro=best.distro, version=best.version, arches=arches, variant=variant, is_sure=is_sure),)

    def is_version(self, version: str) -> bool:
        """A medium may tell less than a template: every minor release of CentOS 7 is "CentOS 7"."""
        wanted = self.version.split(".")
        return not version or all(one == other for one, other in zip(version.split("."), wanted, strict=False))

    def check_medium(self, tdl: Tdl, medium: Medium) -> None:
        identities = self.identify(medium)
        where = medium.path or "the medium"
        missing = [path for path in self.installer_paths(medium) if path not in medium.paths]
        if tdl.install_type == "url" and not missing and not any(one.version for one in identities):
            return  # a tree's boot.iso may say nothing of itself
        super().check_medium(tdl, medium)
        if tdl.install_type == "iso" and self.facts.needs_dvd and any(one.variant == "cd" for one in identities):
            raise MediumError(
                f"{where} is one CD of a set (volume id {medium.volume_id!r}): the installer would ask for the next",
                hint="use the DVD, or install from a tree",
            )

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        if self._starts_by_floppy(medium):
            return ()
        directory = "/isolinux" if self.facts.disc_boot != "grub" and self.arch != "aarch64" else _PXEBOOT
        return f"{directory}/vmlinuz", f"{directory}/initrd.img"

    def _starts_by_floppy(self, medium: Medium) -> bool:
        return self.facts.disc_boot == "floppy" and _ISOLINUX_MENU not in medium.paths

    def documented_medium(self, tdl: Tdl) -> Medium:
        """The DVD or the first CD as its distributor made it; it stands for a tree's boot.iso as well."""
        facts = self.facts
        major, _, minor = self.release.version.partition(".")
        words = {"version": self.release.version, "major": major, "minor": minor, "arch": self.arch}
        paths, images = {facts.packages_path.format(**words)}, []
        if self.arch != "aarch64":
            menu = {"isolinux": _ISOLINUX_MENU, "grub": _GRUB_MENU, "floppy": None}[facts.disc_boot]
            paths |= {menu} if menu else set()
            emulation: Literal["none", "floppy"] = "none" if menu else "floppy"
            images.append(BootImage(platform="bios", emulation=emulation, lba=0, size_bytes=1440 * KIB))
        has_efi = self.arch in self.facts.hardware.efi_architectures
        if has_efi:
            paths |= {_EFI_MENU, f"{_PXEBOOT}/vmlinuz", f"{_PXEBOOT}/initrd.img"}
            images.append(BootImage(platform="efi", emulation="none", lba=0, size_bytes=8 * MIB))
        medium = Medium(
            path=None,
            volume_id=facts.volume_id.format(**words),
            volume_size_bytes=4 * GIB if facts.needs_dvd else 0,
            boot_images=tuple(images),
            paths=frozenset(paths),
            contents={_EFI_MENU: b"linuxefi" if self.arch != "aarch64" else b"linux"} if has_efi else {},
        )
        return replace(medium, paths=medium.paths | set(self.installer_paths(medium)))

    # ---------------------------------------------------------------- the disk

    def _partitions(self, tdl: Tdl, settings: Settings, hardware: Hardware) -> PartitionPlan:
        """With what this release's boot loader needs besides what all need."""
        facts = self.facts
        if settings.answer is None and tdl.disk_bytes < facts.disk_bytes_min:
            raise refuse(
                tdl,
                "disk/size",
                f"{self.title} does not fit on a disk of {format_size(tdl.disk_bytes)}",
                f"give it {format_size(facts.disk_bytes_min)} at the least",
            )
        wanted = tdl.partitions or (Partition(mount="/"),)
        if facts.needs_boot and not any(one.mount == "/boot" for one in wanted):
            tdl = replace(tdl, partitions=(Partition(mount="/boot", size_bytes=BOOT_BYTES), *wanted))
        plan = self.plan_partitions(tdl, hardware)
        if facts.needs_biosboot and BIOS_BOOT not in plan.partitions:
            plan = replace(plan, partitions=(BIOS_BOOT, *plan.partitions))
        if facts.has_reqpart:
            made = ("biosboot", "/boot/efi")
            plan = replace(plan, partitions=tuple(one for one in plan.partitions if one.mount not in made))
        return plan

    # ---------------------------------------------------------------- installing

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        facts = self.facts
        hardware = self.plan_hardware(tdl, settings)
        is_tree = tdl.install_type == "url"
        if is_tree and facts.tree_boot == "iso":
            medium = medium or self.documented_medium(tdl)
        if medium and not is_tree and settings.answer is None and not has_packages(medium):
            raise MediumError(
                f"{medium.path or 'the medium'} is for installing from the network: it has no packages",
                hint="use the DVD, or install from a tree: <install type='url'>",
            )
        answer = self._answer(tdl, access, settings, hardware)
        plan = InstallPlan(
            answer_name="ks.cfg",
            answer=answer,
            boots=(),
            **self.plan_common(hardware, settings),
            has_partition_table=facts.has_partition_table,
        )
        if medium is None and facts.tree_boot == "kernel":
            return replace(
                plan,
                initrd_files={"/ks.cfg": answer.encode()},
                initrd_format=facts.initrd_format,
                command_line=self._arguments(
                    tdl, settings, "inst.ks=file:/ks.cfg" if facts.is_dracut else "ks=file:/ks.cfg"
                ),
                boots=self._boots("kernel"),
            )
        if medium is None or self._starts_by_floppy(medium):
            menu = render(
                "boot/isolinux.cfg",
                kernel="vmlinuz",
                initrd="initrd.img",
                arguments=self._arguments(tdl, settings, "ks=floppy"),
            )
            files = {"KS.CFG": answer.encode(), "SYSLINUX.CFG": menu.encode()}
            floppy = Floppy(base="boot-image" if medium else "fetched", files=files)
            return replace(plan, floppy=floppy, boots=self._boots("fd"))
        return replace(plan, edits=self._edits(tdl, medium, hardware, settings, answer), boots=self._boots("cdrom"))

    def _boots(self, device: Literal["kernel", "cdrom", "fd"]) -> tuple[Boot, ...]:
        return (Boot(device=device, ends="power-off" if self.facts.has_poweroff else "reset"),)

    def _answer(self, tdl: Tdl, access: Access, settings: Settings, hardware: Hardware) -> str:
        plan = self._partitions(tdl, settings, hardware)
        logical = [one for one in plan.partitions if is_volume(plan, one)]
        variables = {
            **self.answer_variables(tdl, access),
            "logical": logical,
            "mib": MIB,
            "plain": [one for one in plan.partitions if one not in logical],
            "kept_arguments": f" {SAME_NETWORK_NAMES}" if self.facts.has_slot_names else "",
            "source": self._check_tree(tdl) if tdl.install_type == "url" else None,
        }
        variables["post"] = post = render("kickstart/post.sh", **variables)
        if settings.answer is None:
            return render("kickstart/ks.cfg", **variables)
        answer = render_text(settings.answer, "answer file", **variables)
        if post in answer:
            return answer
        end = "%end\n" if self.facts.has_end else ""
        return f"{answer.rstrip()}\n\n%post\n{post}{end}"

    def _arguments(self, tdl: Tdl, settings: Settings, *where: str) -> str:
        """Kernel arguments; `where` says where the kickstart file is."""
        facts = self.facts
        words = [*facts.arguments, *where]
        if tdl.install_type == "url":
            words += [f"{facts.tree_argument}={self._check_tree(tdl)}"] if facts.tree_argument else []
        elif facts.cdrom_argument:
            words.append(facts.cdrom_argument)
        if facts.has_slot_names:
            words.append(SAME_NETWORK_NAMES)
        words += self.extra_arguments(tdl, settings)
        if facts.has_serial_console:
            # The last console is the one the installer talks on.
            words += ["console=tty0", f"console={self.ports.console}"]
        return " ".join(words)

    def _edits(
        self, tdl: Tdl, medium: Medium, hardware: Hardware, settings: Settings, answer: str
    ) -> tuple[MediumEdit, ...]:
        """The answer file, and boot menus that start at once with the medium's own kernel and initrd."""
        menu = _EFI_MENU
        if hardware.firmware == "bios":
            menu = _ISOLINUX_MENU if _ISOLINUX_MENU in medium.paths else _GRUB_MENU
        # As udev writes a label into a name; the media's own menus do so too.
        label = re.sub(r"[^\w#+.:=@-]", lambda match: f"\\x{ord(match[0]):02x}", medium.volume_id, flags=re.ASCII)
        where = [f"inst.ks=hd:LABEL={label}:/ks.cfg", f"inst.stage2=hd:LABEL={label}"]
        variables = {
            "arguments": self._arguments(tdl, settings, *(where if self.facts.is_dracut else ["ks=cdrom:/ks.cfg"])),
            "volume_id": medium.volume_id,
        }
        near = {**variables, "kernel": "vmlinuz", "initrd": "initrd.img"}
        far = {**variables, "kernel": f"{_PXEBOOT}/vmlinuz", "initrd": f"{_PXEBOOT}/initrd.img"}
        suffix = "efi" if b"linuxefi" in medium.contents.get(_EFI_MENU, b"") else ""
        menus = {
            _ISOLINUX_MENU: render("boot/isolinux.cfg", **near),
            _GRUB_MENU: render("boot/grub-search.cfg", **far),
            _EFI_MENU: render("boot/grub-search.cfg", **far, efi_suffix=suffix),
        }
        return plan_edits(medium, hardware.firmware, menu, menus, {"/ks.cfg": answer})
