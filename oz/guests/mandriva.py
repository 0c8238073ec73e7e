"""Mandrake, Mandriva and Mageia, installed by DrakX from a CD or DVD with an auto_inst.cfg, which is Perl.

What DrakX does is by its sources (https://github.com/DrakXtools/drakx), those of 1999 to 2006 in perl-install itself,
later ones in perl-install/install: any.pm (loadO) for how the answer is found, install2.pm and steps.pm for what
happens when, mdk-stage1/init.c for the end.
"""

import posixpath
import re
from dataclasses import dataclass
from typing import Literal

from oz.errors import MediumError
from oz.guests.base import SAME_NETWORK_NAMES, Guest, UnixFacts
from oz.model import (
    Access,
    Boot,
    BootImage,
    Floppy,
    Hardware,
    Identity,
    InstallPlan,
    MediaPlan,
    Medium,
    MediumEdit,
    Settings,
    Tdl,
    Variant,
)
from oz.render import render
from oz.units import GIB, KIB

_ANSWER = "auto_inst.cfg"
_GRUB_MENU = "/boot/grub2/grub.cfg"
_ARCHES = {"i386": "i586", "x86_64": "x86_64"}
"""What media call an architecture; it is also the directory of its packages, where the medium has one."""
_SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class MandrivaFacts(UnixFacts):
    """What differs between the releases."""

    volume_id: str
    """Of the medium that `documented_medium` describes; {version} and {arch} are filled in, as in:"""
    loader: str
    """The directory of the kernel on it; empty where the medium starts from a floppy's image."""
    packages_path: str
    """The list of its packages."""
    answer_on: Literal["medium", "floppy"]
    answer_argument: str
    arguments: tuple[str, ...]
    """Kernel arguments of the installer's own."""
    file_systems: dict[str, int]
    """To the numbers by which partitions are told; empty where they are told by name."""
    has_net: bool
    """Of "netc", "netcnx" and "intf" has become "net"."""
    security: int
    """The level that msec watches: one that lets root in by ssh with a key."""


class Mandriva(Guest):
    facts: MandrivaFacts
    installer = "drakx"
    log_places = ("/root/drakx",)
    identity_files = ("/product.id", "/i586/product.id", "/x86_64/product.id", "/VERSION")
    medium_hint = "use the DVD, or the first CD"

    # ---------------------------------------------------------------- media

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        return self.plan_iso(tdl, *self.identity_files)

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        """By product.id, which media had from about 2005 on, else by VERSION, else by the volume id: Mageia's are in
        osinfo-db, those before from memory."""
        texts = [medium.contents.get(path, b"").decode("utf-8", "replace") for path in cls.identity_files]
        products = [dict(re.findall(r"(\w+)=([^,\s]*)", text)) for text in texts[:-1] if text]
        names = [f"{one.get('vendor', '')} {one.get('version', '')}" for one in products]
        name = next((found for text in (*names, texts[-1], medium.volume_id) if (found := _named(text))), None)
        if name is None:
            return ()
        words = " ".join((*(one.get("arch", "") for one in products), *(medium.volume_id, *texts[-1:])))
        arches = tuple(
            arch for arch, word in _ARCHES.items() if re.search(rf"\b{word}|\b{word.replace('5', '6')}", words)
        )
        is_sure = any(map(_named, (*names, texts[-1]))) or name[0] == "Mageia"
        return (Identity(distro=name[0], version=name[1], arches=arches, variant=_variant(medium), is_sure=is_sure),)

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        """What it boots from, as found on it; and some list of packages, which media for the network do not have."""
        loader = self._loader(medium)
        lists = [path for path in medium.paths if re.search(r"/(hdlists|media_info/media\.cfg)$", path)]
        needed = [] if lists else [f"/{_ARCHES[self.arch]}/media/media_info/media.cfg"]
        if self.facts.loader and loader is None:
            needed.append(f"{self.facts.loader.format(arch=_ARCHES[self.arch])}/vmlinuz")
        return tuple(needed)

    def _loader(self, medium: Medium) -> tuple[str, str] | None:
        """The boot menu that a BIOS comes to, and the kernel's directory: media of one architecture, of several, CDs
        and DVDs have them in different places."""
        arch = _ARCHES[self.arch]
        for top in ("/isolinux", f"/{arch}/isolinux"):
            for directory in (f"{top}/alt0", f"{top}/{arch}", top):
                if {f"{top}/isolinux.cfg", f"{directory}/vmlinuz"} <= medium.paths:
                    return f"{top}/isolinux.cfg", directory
        return (_GRUB_MENU, "/boot") if {_GRUB_MENU, "/boot/vmlinuz"} <= medium.paths else None

    def documented_medium(self, tdl: Tdl) -> Medium:
        """The first CD, or the DVD for one architecture."""
        facts, words = self.facts, {"version": self.release.version, "arch": _ARCHES[self.arch]}
        directory = facts.loader.format(**words)
        paths, images = {facts.packages_path.format(**words)}, []
        if directory:
            menu = re.sub(r"isolinux/.*", "isolinux/isolinux.cfg", directory) if directory != "/boot" else _GRUB_MENU
            paths |= {menu, f"{directory}/vmlinuz", f"{directory}/all.rdz"}
        else:
            images.append(BootImage(platform="bios", emulation="floppy", lba=0, size_bytes=1440 * KIB))
        text = f"{self.release.distro} Linux {self.release.version} {words['arch']}\n"
        return Medium(
            path=None,
            volume_id=facts.volume_id.format(**words),
            boot_images=tuple(images),
            paths=frozenset(paths),
            contents={"/VERSION": text.encode()},
        )

    # ---------------------------------------------------------------- installing

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        facts, hardware = self.facts, self.plan_hardware(tdl, settings)
        medium = medium or self.documented_medium(tdl)
        answer = self._answer(tdl, access, settings, hardware)
        edits, files = [], {}
        if facts.answer_on == "floppy":
            # mtools keep a name that is longer than 8.3, and DrakX mounts it as vfat.
            files[_ANSWER] = answer.encode()
        else:
            tree = f"/{_ARCHES[self.arch]}"
            is_tree = any(path.startswith(f"{tree}/") for path in medium.paths)
            edits.append(MediumEdit(path=f"{tree if is_tree else ''}/{_ANSWER}", content=answer.encode()))
        if facts.loader:
            edits.append(self._menu(tdl, medium, settings))
        else:
            variables = {"kernel": "vmlinuz", "initrd": "cdrom.rdz", "arguments": self._arguments(tdl, settings)}
            files["SYSLINUX.CFG"] = render("boot/isolinux.cfg", **variables).encode()
        return InstallPlan(
            answer_name=_ANSWER,
            answer=answer,
            # Its first stage unmounts everything and can only reset the machine.
            boots=(Boot(device="cdrom" if facts.loader else "fd", ends="reset"),),
            **self.plan_common(hardware, settings),
            edits=tuple(edits),
            floppy=Floppy(base="blank" if facts.loader else "boot-image", files=files) if files else None,
        )

    def _menu(self, tdl: Tdl, medium: Medium, settings: Settings) -> MediumEdit:
        loader = self._loader(medium)
        if loader is None:
            raise MediumError(f"{medium.path or 'the medium'} has no boot menu that is known", hint=self.medium_hint)
        menu, directory = loader
        paths = [f"{directory}/{name}" for name in ("vmlinuz", "all.rdz")]
        template = "boot/grub-search-file.cfg"
        if menu != _GRUB_MENU:
            # isolinux looks beside its menu.
            template, paths = "boot/isolinux.cfg", [posixpath.relpath(path, posixpath.dirname(menu)) for path in paths]
        text = render(template, kernel=paths[0], initrd=paths[1], arguments=self._arguments(tdl, settings))
        return MediumEdit(path=menu, content=text.encode())

    def _answer(self, tdl: Tdl, access: Access, settings: Settings, hardware: Hardware) -> str:
        plan = self.plan_partitions(tdl, hardware)
        variables = {
            **self.answer_variables(tdl, access),
            "partitions": plan.partitions,
            "rest_sectors": GIB // _SECTOR_BYTES,
            "sector_bytes": _SECTOR_BYTES,
        }
        variables["finish"] = render("drakx/finish.sh", **variables)
        hint = "give it 'postInstall' => {{ finish | perl }}"
        return self.render_answer("drakx/auto_inst.cfg.pl", settings, variables, access.nonce, hint)

    def _arguments(self, tdl: Tdl, settings: Settings) -> str:
        """Kernel arguments; the last console is the one that the installer's own programs talk on."""
        facts = self.facts
        where = "floppy" if facts.answer_on == "floppy" else _ANSWER
        words = [*facts.arguments, "automatic=method:cdrom", f"{facts.answer_argument}={where}"]
        words += [SAME_NETWORK_NAMES] if facts.has_slot_names else []
        words += self.extra_arguments(tdl, settings)
        return " ".join([*words, f"console={self.ports.console}", "console=tty0"])


# -------------------------------------------------------------------- what media say of themselves


def _named(text: str) -> tuple[str, str] | None:
    """Distribution and version in a volume id, in VERSION, or in "vendor version"."""
    if found := re.search(r"Mageia(?:\.Org)?[ -](?:Linux )?(\d+(?:\.\d)?)\b", text, re.IGNORECASE):
        return "Mageia", found[1]
    found = re.search(r"(?:Mandrake|Mandriva)\D*?(\d+\.\d|\d{4})\b", text, re.IGNORECASE)
    if found is None:
        return None
    # Mandrake 10.2 came out as Mandriva Limited Edition 2005.
    version = {"10.2": "2005", "2005.0": "2005"}.get(found[1], found[1])
    return ("Mandriva" if len(version.split(".")[0]) == 4 else "Mandrake"), version


def _variant(medium: Medium) -> Variant:
    name = medium.volume_id
    if re.search(r"live|mandriva[- _]?(linux[- _]?)?one", name, re.IGNORECASE):
        return "live"
    if re.search(r"netinstall|boot\.iso", name):
        return "netinst"
    if re.search(r"(CD|Dis[ck])[- _]?[2-9]\b", name, re.IGNORECASE):
        return "later-disc"
    return "dvd" if re.search(r"DVD|^Mageia", name) else "cd" if re.search(r"CD[- _]?1\b", name) else "other"
