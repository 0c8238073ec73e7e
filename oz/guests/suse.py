"""openSUSE and SLES, installed by YaST from a DVD or from a tree, with an AutoYaST profile."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from oz.errors import MediumError, UsageError
from oz.guests.base import KEY_MARK, SAME_NETWORK_NAMES, Guest, refuse
from oz.guests.partitions import plan_partitions
from oz.guests.susefacts import ARCHITECTURES, SuseFacts
from oz.model import (
    Access,
    Boot,
    Fetch,
    Floppy,
    Hardware,
    Identity,
    InstallerLog,
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
from oz.render import render, render_text
from oz.units import MIB

_PROFILE = "/autoinst.xml"
_ISOLINUX = "isolinux.cfg"
_GRUB = "/EFI/BOOT/grub.cfg"
_VOLUME_GROUP = "system"
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
class Slice:
    """A partition, or a logical volume, as a profile says it."""

    mount: str
    filesystem: str
    """Empty where none is to be made."""
    partition_id: int
    size: str


class Suse(Guest):
    facts: SuseFacts
    identity_files = ("/content", "/media.1/build")
    medium_hint = "use the first DVD; of SLES 15 the one called Full"

    # ---------------------------------------------------------------- media

    @property
    def _kernel_paths(self) -> tuple[str, str]:
        directory = ARCHITECTURES[self.arch].loader_directory
        return f"{directory}/linux", f"{directory}/initrd"

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        if tdl.install_type == "iso":
            return MediaPlan(
                fetches=(Fetch(role="iso", url=tdl.install_url, checksum=tdl.checksum),), read=self.identity_files
            )
        tree = self._tree(tdl)
        kernel, initrd = self._kernel_paths
        return MediaPlan(
            fetches=(Fetch(role="kernel", url=f"{tree}{kernel}"), Fetch(role="initrd", url=f"{tree}{initrd}"))
        )

    def _tree(self, tdl: Tdl) -> str:
        """The URL of the tree, if the installer can read it and may be told about it."""
        parts = urlsplit(tdl.install_url)
        if parts.username is not None or parts.password is not None:
            raise refuse(
                tdl,
                "os/install/url",
                "a tree's URL cannot have a user or password: both would stay in the image's list of repositories",
                "use a server without a password, or install from a DVD",
            )
        if parts.scheme not in self.facts.tree_protocols:
            raise refuse(
                tdl,
                "os/install/url",
                f"the installer of {self.title} reads no tree by {parts.scheme}",
                f"it does by {', '.join(self.facts.tree_protocols)}",
            )
        return tdl.install_url.rstrip("/")

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        """By the file "content", which media had up to Leap 42 and SLES 12, else by media.1/build, else by the volume
        id, which up to 12.2 has at best the number of a build."""
        content, build = (medium.contents.get(path, b"").decode("utf-8", "replace") for path in cls.identity_files)
        variant = _variant(f"{build} {medium.volume_id}")
        arches = tuple(
            arch for arch, place in ARCHITECTURES.items() if f"{place.loader_directory}/linux" in medium.paths
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
        facts, architecture = self.facts, ARCHITECTURES[self.arch]
        major, _, number = self.release.version.partition(".")
        pack = f"-SP{number}" if number != "0" else ""
        names = {"version": self.release.version, "major": major, "pack": pack, "arch": architecture.names[-1]}
        if self.arch == "i386":
            names["arch"] = "i586"
        title = f"{facts.product} {major}{pack.replace('-', ' ')}"
        version = title if self.release.distro == "SLES" else f"{facts.product} {self.release.version}"
        contents = {"/content": f"LABEL {version}\n".encode()} if facts.product else {}
        paths = {*contents, *self._kernel_paths, *self.installer_paths(Medium(path=None))}
        if self.arch in self.hardware.bios_architectures:
            paths.add(f"{architecture.loader_directory}/{_ISOLINUX}")
        if self.arch in self.hardware.efi_architectures:
            paths.add(_GRUB)
        return Medium(path=None, volume_id=facts.volume_id.format(**names), paths=frozenset(paths), contents=contents)

    # ---------------------------------------------------------------- installing

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        facts, hardware = self.facts, self.plan_hardware(tdl, settings)
        answer = self._answer(tdl, medium, access, settings, hardware)
        profile = answer.encode()
        on_floppy = medium is not None and facts.profile_on == "floppy"
        factor = settings.limit_factor
        boots = [Boot(device="cdrom" if medium else "kernel")]
        if facts.has_second_stage:
            # The first one ends with the power off: after a reset the firmware would start the CD's installer anew.
            boots.append(Boot(device="hd"))
        return InstallPlan(
            answer_name=_PROFILE.lstrip("/"),
            answer=answer,
            boots=tuple(boots),
            hardware=hardware,
            limit_s=facts.limit_s * factor if settings.install_limit_s is None else settings.install_limit_s,
            inactivity_s=facts.inactivity_s * factor,
            log=InstallerLog(installer="autoyast"),
            edits=self._edits(tdl, medium, hardware, {} if on_floppy else {_PROFILE: profile}) if medium else (),
            floppy=Floppy(base="blank", files={_PROFILE.lstrip("/").upper(): profile}) if on_floppy else None,
            initrd_files={} if medium else {_PROFILE: profile},
            command_line=None if medium else self._arguments(tdl, medium),
        )

    def _answer(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings, hardware: Hardware) -> str:
        partitions = plan_partitions(tdl, self.title, self.facts.partitions, hardware.firmware)
        variables: dict[str, object] = {
            "boot_loader": self.facts.boot_loaders.get(hardware.firmware),
            "disk_device": "/dev/vda" if hardware.disk_bus == "virtio" else "/dev/sda",
            "disk_label": "gpt" if partitions.partitions[0].mount == "biosboot" else None,
            "facts": self.facts,
            "key_mark": KEY_MARK,
            "nonce": access.nonce,
            "partitions": _slices(partitions, are_volumes=False),
            "ports": self.ports,
            "public_key": access.public_key,
            "release": self.release,
            "root_password_hash": self._password_hash(access),
            "system": self.system,
            "target": "",
            "tdl": tdl,
            # The medium's own name for itself, as YaST writes it into repositories.
            "tree": self._tree(tdl) if medium is None else "dvd:///?devices=/dev/sr0",
            "volume_group": _VOLUME_GROUP,
            "volumes": _slices(partitions, are_volumes=True),
        }
        variables["finish"] = render("autoyast/finish.sh", **variables)
        if settings.answer is None:
            return render("autoyast/autoinst.xml", **variables)
        answer = render_text(settings.answer, _PROFILE.lstrip("/"), **variables)
        if access.nonce not in answer:
            kind = "post-scripts" if self.facts.has_second_stage else "chroot-scripts, with <chrooted>"
            raise UsageError(
                "the answer file would never report the end of the installation",
                hint=f"give it {{{{ finish }}}} as the <source>, not as CDATA, of the last one of its {kind}",
            )
        return answer

    def _arguments(self, tdl: Tdl, medium: Medium | None) -> str:
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
        if tdl.kernelparam:
            words.append(tdl.kernelparam)
        # linuxrc and YaST talk on the last console.
        words += ["console=tty0", f"console={self.ports.console}"]
        return " ".join(words)

    def _edits(self, tdl: Tdl, medium: Medium, hardware: Hardware, files: dict[str, bytes]) -> tuple[MediumEdit, ...]:
        """The profile, and boot menus that start at once; the medium's own would start the hard disk. GRUB finds its
        menu beside itself in the EFI boot image, which is a copy of the medium's EFI."""
        isolinux = f"{ARCHITECTURES[self.arch].loader_directory}/{_ISOLINUX}"
        menu = isolinux if hardware.firmware == "bios" else _GRUB
        if menu not in medium.paths:
            raise MediumError(
                f"{medium.path or 'the medium'} does not boot under {hardware.firmware} firmware: it has no {menu}",
                hint="set the firmware to bios or efi, as the medium has it",
            )
        kernel, initrd = self._kernel_paths
        arguments = self._arguments(tdl, medium)
        edits = [MediumEdit(path=path, content=content) for path, content in files.items()]
        if isolinux in medium.paths:
            # isolinux looks beside itself.
            text = render("boot/isolinux.cfg", kernel="linux", initrd="initrd", arguments=arguments)
            edits.append(MediumEdit(path=isolinux, content=text.encode()))
        if _GRUB in medium.paths:
            text = render("boot/grub-search-file.cfg", kernel=kernel, initrd=initrd, arguments=arguments)
            edits.append(MediumEdit(path=_GRUB, content=text.encode()))
            if any(image.platform == "efi" for image in medium.boot_images):
                edits.append(MediumEdit(path=_GRUB, content=text.encode(), in_efi_image=True))
        return tuple(sorted(edits, key=lambda edit: (edit.path, edit.in_efi_image)))


def _slices(plan: PartitionPlan, *, are_volumes: bool) -> list[Slice]:
    """The plan's partitions, or its logical volumes; a partition for the volume group is the last."""
    found = [_slice(one) for one in plan.partitions if _is_volume(plan, one) == are_volumes]
    if plan.layout == "lvm" and not are_volumes:
        found.append(Slice(mount="", filesystem="", partition_id=_LVM_ID, size="max"))
    return found


def _is_volume(plan: PartitionPlan, partition: Partition) -> bool:
    return plan.layout == "lvm" and partition.mount not in ("/boot", "/boot/efi", "biosboot")


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
    return tuple(arch for arch, place in ARCHITECTURES.items() if any(word in name for word in place.names))


def _named(name: str) -> tuple[str, str] | None:
    """Distribution and version in a volume id, or in media.1/build, which is one with its end."""
    if found := re.match(r"openSUSE[- ](?:Leap[- ])?(\d+\.\d|Tumbleweed)\b|openSUSE Live", name.replace("_", " ")):
        return "openSUSE", found[1] or ""
    if found := re.match(r"openSUSE-DVD-(?:i586|x86_64)(?:-Build)?\.?(\d{4})", name):
        return ("openSUSE", _BUILDS[found[1]]) if found[1] in _BUILDS else None
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
