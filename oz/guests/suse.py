"""openSUSE and SLES, installed by YaST from a DVD or from a tree, with an AutoYaST profile."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from oz.guests.base import SAME_NETWORK_NAMES, Guest, UnixFacts, disk_device
from oz.guests.edits import plan_edits
from oz.guests.partitions import VOLUME_GROUP, is_volume
from oz.model import (
    Access,
    Boot,
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
    Variant,
)
from oz.render import render
from oz.units import MIB

_PROFILE = "/autoinst.xml"
_ISOLINUX = "isolinux.cfg"
_GRUB = "/EFI/BOOT/grub.cfg"
# As YaST counts them: those of an MS-DOS partition table, and on from 259 its own for a GPT (yast2-storage,
# Partitions: FSID_*).
_PARTITION_IDS = {"swap": 130, "/boot/efi": 259, "biosboot": 263}
_LINUX_ID, _LVM_ID = 131, 142
_FROM_CD = {
    # What the file system of the CD holds, wherever YaST finds it: known to have worked.
    "cd": "instmode=cd autoyast=default",
    "floppy": f"autoyast=floppy://{_PROFILE}",
    "device": f"autoyast=device://sr0{_PROFILE}",
}
# osinfo-db's media of 11.3 to 12.2, whose volume ids have the build's number alone.
_BUILDS = {"0702": "11.3", "0024": "11.4", "0039": "12.1", "0167": "12.2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Architecture:
    """What a medium calls an architecture, and where things are on it."""

    names: tuple[str, ...]
    loader_directory: str
    """Holds linux and initrd; on a PC, isolinux and its menu too."""


_ARCHITECTURES = {
    "i386": _Architecture(names=("i386", "i586", "i686"), loader_directory="/boot/i386/loader"),
    "x86_64": _Architecture(names=("x86_64",), loader_directory="/boot/x86_64/loader"),
    "aarch64": _Architecture(names=("aarch64",), loader_directory="/boot/aarch64"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SuseFacts(UnixFacts):
    """What differs between the releases."""

    volume_id: str
    """Of the medium that `documented_medium` describes; {version}, {pack} and {arch} are filled in."""
    product: str
    """What the medium's file "content" calls the release; empty where there is no such file."""
    profile_on: Literal["cd", "floppy", "device"]
    """Where YaST is told to read its profile from, when it is started from a CD: from "the medium", a floppy, or a
    device named."""
    tree_protocols: tuple[str, ...]
    """By which the installer can read a tree."""
    module: str | None
    """The module of the medium, by its directory, without which there is no system to install."""
    has_second_stage: bool
    """The profile is carried out to its end only by the installed system, when it boots for the first time."""
    interface_element: Literal["device", "name"]
    boot_loaders: Mapping[str, str]
    """Firmware to what the profile has to name; YaST chooses by itself where there is none."""
    patterns: tuple[str, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A partition, or a logical volume, as a profile says it."""

    mount: str
    filesystem: str
    """Empty where none is to be made."""
    partition_id: int
    size: str


class Suse(Guest):
    facts: SuseFacts
    installer = "autoyast"
    # Errors, and worse (libycp, y2log.h: LOG_ERROR is 3); the rest are thousands of lines. It is rotated.
    log_command = "tail -n +1 -F /var/log/YaST2/y2log | grep --line-buffered -m 20000 -E '^[^<]* <[3-5]> '"
    log_places = ("/var/log/YaST2",)
    identity_files = ("/content", "/media.1/build")
    medium_hint = "use the first DVD; of SLES 15 the one called Full"

    # ---------------------------------------------------------------- media

    @property
    def _kernel_paths(self) -> tuple[str, str]:
        directory = _ARCHITECTURES[self.arch].loader_directory
        return f"{directory}/linux", f"{directory}/initrd"

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        if tdl.install_type == "iso":
            return self.plan_iso(tdl, *self.identity_files)
        tree = self._tree(tdl)
        kernel, initrd = self._kernel_paths
        return self.plan_kernel(f"{tree}{kernel}", f"{tree}{initrd}")

    def _tree(self, tdl: Tdl) -> str:
        """The URL of the tree, if the installer can read it and may be told about it."""
        place = "the image's list of repositories"
        return self.check_tree(tdl, tdl.install_url, what="tree", protocols=self.facts.tree_protocols, place=place)

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        """By the file "content", which media had up to Leap 42 and SLES 12, else by media.1/build, else by the volume
        id, which up to 12.2 has at best the number of a build."""
        content, build = (medium.contents.get(path, b"").decode("utf-8", "replace") for path in cls.identity_files)
        variant = _variant(f"{build} {medium.volume_id}")
        arches = tuple(
            arch for arch, place in _ARCHITECTURES.items() if f"{place.loader_directory}/linux" in medium.paths
        ) or _arches(f"{build} {medium.volume_id}")
        name = _named_by_content(content) or _named(build)
        is_sure = True
        if variant == "live" or name is None:
            name = _named(medium.volume_id)
            is_sure = not re.match(r"SU\d|openSUSE Live", medium.volume_id)
        if name is None:
            return ()
        distro, version = name
        return (Identity(distro=distro, version=version, arches=arches, variant=variant, is_sure=is_sure),)

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        module = self.facts.module
        # A repository of rpm-md, and, on the media of old, of YaST.
        return (*self._kernel_paths, *([f"/Module-{module}/repodata/repomd.xml"] if module else []))

    def documented_medium(self, tdl: Tdl) -> Medium:
        """A DVD, as osinfo-db and virt-install's tests have them."""
        facts, architecture = self.facts, _ARCHITECTURES[self.arch]
        major, _, number = self.release.version.partition(".")
        pack = f"-SP{number}" if number != "0" else ""
        names = {"version": self.release.version, "major": major, "pack": pack, "arch": architecture.names[-1]}
        if self.arch == "i386":
            names["arch"] = "i586"
        title = f"{facts.product} {major}{pack.replace('-', ' ')}"
        version = title if self.release.distro == "SLES" else f"{facts.product} {self.release.version}"
        contents = {"/content": f"LABEL {version}\n".encode()} if facts.product else {}
        paths = {*contents, *self._kernel_paths, *self.installer_paths(Medium(path=None))}
        if self.arch in self.facts.hardware.bios_architectures:
            paths.add(f"{architecture.loader_directory}/{_ISOLINUX}")
        if self.arch in self.facts.hardware.efi_architectures:
            paths.add(_GRUB)
        return Medium(path=None, volume_id=facts.volume_id.format(**names), paths=frozenset(paths), contents=contents)

    # ---------------------------------------------------------------- installing

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        facts, hardware = self.facts, self.plan_hardware(tdl, settings)
        answer = self._answer(tdl, medium, access, settings, hardware)
        profile = answer.encode()
        arguments = self._arguments(tdl, medium, settings)
        on_floppy = medium is not None and facts.profile_on == "floppy"
        boots = [Boot(device="cdrom" if medium else "kernel")]
        if facts.has_second_stage:
            # The first one ends with the power off: after a reset the firmware would start the CD's installer anew.
            boots.append(Boot(device="hd"))
        return InstallPlan(
            answer_name=_PROFILE.lstrip("/"),
            answer=answer,
            boots=tuple(boots),
            **self.plan_common(hardware, settings),
            edits=self._edits(medium, hardware, arguments, {} if on_floppy else {_PROFILE: profile}) if medium else (),
            floppy=Floppy(base="blank", files={_PROFILE.lstrip("/").upper(): profile}) if on_floppy else None,
            initrd_files={} if medium else {_PROFILE: profile},
            command_line=None if medium else arguments,
        )

    def _answer(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings, hardware: Hardware) -> str:
        partitions = self.plan_partitions(tdl, hardware)
        variables = {
            **self.answer_variables(tdl, access),
            "boot_loader": self.facts.boot_loaders.get(hardware.firmware),
            "disk_device": disk_device(hardware),
            "disk_label": "gpt" if partitions.partitions[0].mount == "biosboot" else None,
            "partitions": _slices(partitions, are_volumes=False),
            # The medium's own name for itself, as YaST writes it into repositories.
            "tree": self._tree(tdl) if medium is None else "dvd:///?devices=/dev/sr0",
            "volume_group": VOLUME_GROUP,
            "volumes": _slices(partitions, are_volumes=True),
        }
        variables["finish"] = render("autoyast/finish.sh", **variables)
        kind = "post-scripts" if self.facts.has_second_stage else "chroot-scripts, with <chrooted>"
        hint = f"give it {{{{ finish }}}} as the <source>, not as CDATA, of the last one of its {kind}"
        return self.render_answer("autoyast/autoinst.xml", settings, variables, access.nonce, hint)

    def _arguments(self, tdl: Tdl, medium: Medium | None, settings: Settings) -> str:
        """Kernel arguments; linuxrc, which reads them, passes over what it does not know."""
        facts = self.facts
        if medium:
            words = [_FROM_CD[facts.profile_on]]
        else:
            # linuxrc of old took the scheme for the one to install by; both are the same file to YaST.
            profile = f"file://{_PROFILE}" if facts.profile_on == "device" else "default"
            words = [f"autoyast={profile}", f"install={self._tree(tdl)}", "netsetup=dhcp"]
        words.append("textmode=1")
        if not facts.has_second_stage:
            # The installer would fetch a newer self from the network.
            words.append("self_update=0")
        if facts.has_slot_names:
            words.append(SAME_NETWORK_NAMES)
        words += self.extra_arguments(tdl, settings)
        # linuxrc and YaST talk on the last console.
        words += ["console=tty0", f"console={self.ports.console}"]
        return " ".join(words)

    def _edits(
        self, medium: Medium, hardware: Hardware, arguments: str, files: dict[str, bytes]
    ) -> tuple[MediumEdit, ...]:
        """The profile, and boot menus that start at once; the medium's own would start the hard disk. GRUB finds its
        menu beside itself in the EFI boot image, which is a copy of the medium's EFI."""
        isolinux = f"{_ARCHITECTURES[self.arch].loader_directory}/{_ISOLINUX}"
        kernel, initrd = self._kernel_paths
        menus = {
            # isolinux looks beside itself.
            isolinux: render("boot/isolinux.cfg", kernel="linux", initrd="initrd", arguments=arguments),
            _GRUB: render("boot/grub-search-file.cfg", kernel=kernel, initrd=initrd, arguments=arguments),
        }
        menu = isolinux if hardware.firmware == "bios" else _GRUB
        return plan_edits(medium, hardware.firmware, menu, menus, files)


def _slices(plan: PartitionPlan, *, are_volumes: bool) -> list[Slice]:
    """The plan's partitions, or its logical volumes; a partition for the volume group is the last."""
    found = [_slice(one) for one in plan.partitions if is_volume(plan, one) == are_volumes]
    if plan.layout == "lvm" and not are_volumes:
        found.append(Slice(mount="", filesystem="", partition_id=_LVM_ID, size="max"))
    return found


def _slice(partition: Partition) -> Slice:
    size = "max" if partition.size_bytes is None else f"{-(-partition.size_bytes // MIB)}M"
    return Slice(
        mount=partition.mount if partition.mount != "biosboot" else "",
        filesystem={"efi": "vfat", "biosboot": ""}.get(partition.filesystem or "", partition.filesystem or ""),
        partition_id=_PARTITION_IDS.get(partition.mount, _LINUX_ID),
        size=size,
    )


# -------------------------------------------------------------------- what media say of themselves


def _variant(name: str) -> Variant:
    if re.search(r"\bLive\b|_Live|Rescue_CD", name):
        return "live"
    if re.search(r"-NET-|-Online-|-Installer-", name):
        return "netinst"
    if re.search(r"SU\d{4}\.00[2-9]|-(DVD|Media)[2-9]\b|-Packages-", name):
        return "later-disc"
    return "dvd" if re.search(r"DVD|-Full-", name) else "cd" if re.search(r"-CD\b", name) else "other"


def _arches(name: str) -> tuple[str, ...]:
    return tuple(arch for arch, place in _ARCHITECTURES.items() if any(word in name for word in place.names))


def _named(name: str) -> tuple[str, str] | None:
    """Distribution and version in a volume id, or in media.1/build, which is one with its end."""
    if found := re.match(r"openSUSE[- ](?:Leap[- ])?(\d+\.\d|Tumbleweed)\b|openSUSE Live", name.replace("_", " ")):
        return "openSUSE", found[1] or ""
    if found := re.match(r"openSUSE-DVD-(?:i586|x86_64)(?:-Build)?\.?(\d{4})", name):
        return ("openSUSE", _BUILDS[found[1]]) if found[1] in _BUILDS else None
    # Agama's media: live/src/config.sh of its sources. The one called openSUSE is Tumbleweed's.
    if found := re.match(r"Install-(?:(Leap)-|(SUSE-SLE)-)(\d+(?:\.\d+)?)-|Install-openSUSE-", name):
        return ("SLES" if found[2] else "openSUSE"), found[3] or "Tumbleweed"
    # From memory: 10.3 and 11.1 are SU1030.001 and SU1110.001.
    if found := re.match(r"SU(1\d)(\d)0\.00\d", name):
        return "openSUSE", f"{found[1]}.{found[2]}"
    if found := re.match(r"SLES-(\d+)(?:-SP(\d))?-", name):
        return "SLES", f"{found[1]}.{found[2] or 0}"
    found = re.match(r"SLE-(\d+)(?:-SP(\d))?-(Server|Full|Online|Installer|Packages)\b", name)
    return ("SLES", f"{found[1]}.{found[2] or 0}") if found else None


def _named_by_content(text: str) -> tuple[str, str] | None:
    """Distribution and version by the lines LABEL, DISTRO and VERSION, as virt-install's tests have them:
    "DISTRO cpe:/o:opensuse:leap:42.1,openSUSE Leap", "LABEL SUSE Linux Enterprise Server 11 SP4"."""
    lines = {name: value.strip() for name, _, value in (line.partition(" ") for line in text.splitlines())}
    distro = re.match(r"cpe:/o:(\w+):(\w+):([\d.]+)(?::sp(\d))?", lines.get("DISTRO", ""))
    if distro and distro[1] == "opensuse":
        return "openSUSE", distro[3]
    if distro:
        return ("SLES", f"{distro[3]}.{distro[4] or 0}") if distro[2] == "sles" else None
    label = lines.get("LABEL", "")
    if found := re.match(r"SUSE Linux Enterprise Server (\d+)(?: SP(\d))?", label):
        return "SLES", f"{found[1]}.{found[2] or 0}"
    if label.startswith("openSUSE"):
        version = re.search(r"\d+\.\d", label) or re.match(r"\d+\.\d", lines.get("VERSION", ""))
        return ("openSUSE", version[0]) if version else None
    return None
