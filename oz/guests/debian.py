"""Debian, installed by debian-installer (d-i) from a CD or from a netboot tree, with a preseed file."""

import re
from typing import ClassVar
from urllib.parse import urlsplit

from oz.errors import UsageError
from oz.guests.base import SAME_NETWORK_NAMES, Guest, refuse
from oz.guests.debianfacts import ARCHITECTURES, Architecture, DebianFacts
from oz.guests.edits import plan_edits
from oz.guests.partitions import VOLUME_GROUP, check_room
from oz.guests.partman import expert_recipe, guided_size
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
    Variant,
)
from oz.render import render, render_text

_DIRECTORY = "/oz"
"""Where our files are, on the medium and in the initrd."""


class Debian(Guest):
    facts: DebianFacts
    installer = "debian-installer"
    log_command = "tail -n +1 -f /var/log/syslog"
    log_places = ("/var/log/installer", "/var/log/dpkg.log", "/var/log/bootstrap.log")
    identity_files = ("/.disk/info",)
    medium_hint = "use a netinst CD, or the first CD or DVD"
    netboot_name: ClassVar[str] = "debian-installer"
    """The directory of kernel and initrd below a netboot directory."""

    @property
    def architecture(self) -> Architecture:
        return ARCHITECTURES[self.arch]

    # ---------------------------------------------------------------- media

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        if tdl.install_type == "iso":
            return self.plan_iso(tdl, *self.identity_files, "/.disk/cd_type")
        netboot, _ = self._tree(tdl)
        directory = f"{netboot}/{self.netboot_name}/{self.architecture.name}"
        return self.plan_kernel(f"{directory}/linux", f"{directory}/initrd.gz")

    def _tree(self, tdl: Tdl) -> tuple[str, str]:
        """The netboot directory and the mirror of a URL installation. The template names either; a netboot
        directory outside of any mirror is completed by the release's own."""
        url = tdl.install_url.rstrip("/")
        below = re.fullmatch(r"(.+?)/dists/([^/]+)/main/installer-([^/]+)/.+/netboot(?:/gtk)?", url)
        if below:
            mirror, suite, arch = below.groups()
            if not re.fullmatch(rf"{self.release.codename}(-updates)?|(old)*stable", suite):
                raise refuse(tdl, "os/install/url", f"the tree is of {suite}, not of {self.release.codename}")
            if arch != self.architecture.name:
                raise refuse(tdl, "os/install/url", f"the tree is for {arch}, not for {self.architecture.name}")
            return url, self._check_mirror(tdl, mirror)
        if url.endswith("/netboot"):
            return url, self._own_mirror()
        if urlsplit(url).scheme == "file":
            raise refuse(
                tdl,
                "os/install/url",
                "a guest cannot install from a mirror in this host's files",
                "serve it by HTTP, or name a local netboot directory: file:///.../netboot",
            )
        suite = f"dists/{self.release.codename}/main/installer-{self.architecture.name}"
        return f"{url}/{suite}/current/{self.facts.images_directory}/netboot", self._check_mirror(tdl, url)

    def _own_mirror(self) -> str:
        return (self.arch == "aarch64" and self.facts.ports_mirror) or self.facts.mirror

    def _check_mirror(self, tdl: Tdl, url: str) -> str:
        place = "the image's sources.list, which everybody can read"
        return self.check_tree(tdl, url, what="mirror", protocols=self.facts.mirror_protocols, place=place)

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        """By .disk/info, "Debian GNU/Linux 13.2.0 "Trixie" - Official amd64 NETINST ...", else by the volume id,
        "Debian 13.2.0 amd64 n", both as debian-cd writes them."""
        text = medium.contents.get("/.disk/info", b"").decode("utf-8", "replace").strip()
        if re.match(r"d-live|Debian GNU/Linux Live", medium.volume_id or text):
            version = re.match(r"d-live (\S+)|Debian GNU/Linux Live (\S+)", medium.volume_id or text)
            found = (version[1] or version[2]) if version else ""
            return (Identity(distro="Debian", version=found, arches=(), variant="live"),)
        info = re.match(r"Debian GNU/Linux (\S+)\b.*? - \S+ (.+?)$", text)
        label = re.match(r"Debian (\S+) (\S+)(?: (\S+))?", medium.volume_id)
        claim = info or label
        if claim is None:
            return ()
        names = set(re.split(r"[ /]", claim[2]))
        arches = tuple(arch for arch, facts in ARCHITECTURES.items() if facts.name in names)
        # Media for more than one architecture have "M-A" in the volume id, and all their names in .disk/info.
        if not arches and "M-A" not in names:
            arches = tuple(names)
        return (Identity(distro="Debian", version=claim[1], arches=arches, variant=cls._variant(info, label)),)

    @staticmethod
    def _variant(info: re.Match[str] | None, label: re.Match[str] | None) -> Variant:
        kind, number = info[2] if info else "", (label[3] or "") if label else ""
        if "NETINST" in kind or number == "n":
            return "netinst"
        if re.search(r"Binary-([2-9]|1\d)", kind) or re.fullmatch(r"(Bin-)?([2-9]|1\d)", number):
            return "later-disc"
        return "dvd" if "DVD" in kind else "cd" if "CD" in kind else "other"

    def is_version(self, version: str) -> bool:
        if version == "testing" or version.startswith(f"{self.release.codename}-"):
            return True
        return super().is_version(version)

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        return self._kernel_paths()

    def _kernel_paths(self) -> tuple[str, str]:
        directory = self.architecture.install_directory
        return f"{directory}/vmlinuz", f"{directory}/initrd.gz"

    def _boot_paths(self) -> set[str]:
        """What the documented medium boots by."""
        paths = {*self._kernel_paths()}
        if self.arch in self.facts.hardware.efi_architectures:
            paths.add("/boot/grub/grub.cfg")
        return paths if self.arch == "aarch64" else {*paths, "/isolinux/isolinux.cfg", "/isolinux/isolinux.bin"}

    def documented_medium(self, tdl: Tdl) -> Medium:
        """A netinst CD, as https://cdimage.debian.org lists it and debian-cd makes it (tools/boot)."""
        arch = self.architecture.name
        version = self.release.version + ".0" * (2 - self.release.version.count("."))
        codename = self.release.codename.title()
        contents = {
            "/.disk/info": f'Debian GNU/Linux {version} "{codename}" - Official {arch} NETINST'.encode(),
            "/.disk/cd_type": b"not_complete\n",
        }
        return Medium(
            path=None,
            volume_id=f"Debian {version} {arch} n",
            paths=frozenset({*contents, *self._boot_paths()}),
            contents=contents,
        )

    # ---------------------------------------------------------------- hardware

    def _disk_device(self, hardware: Hardware) -> str:
        return "/dev/" + {"virtio": "vda", "ide": self.facts.ide_disk}.get(hardware.disk_bus, "sda")

    def _kernel_package(self) -> str | None:
        prefix, suffix = self.facts.kernel_prefix, self.architecture.kernel_suffix
        return f"{prefix}{suffix}" if prefix and suffix else None

    def _disk_variables(self, plan: PartitionPlan) -> dict[str, object]:
        """The variables of the disk's part of the answer file."""
        is_lvm, must_fill = plan.layout == "lvm", "lvm" in self.facts.partitions.fills
        return {
            "recipe": expert_recipe(plan),
            "volume_group": VOLUME_GROUP if is_lvm else None,
            # It asks how much of the group it may take, where it can leave some.
            "guided_size": guided_size(plan) if is_lvm and not must_fill else None,
        }

    # ---------------------------------------------------------------- installing

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        hardware = self.plan_hardware(tdl, settings)
        partitions = self.plan_partitions(tdl, hardware)
        # Another answer file may ask for less; a medium without it is not debian-cd's, and holds a system of any size.
        if settings.answer is None and (medium is None or "/.disk/cd_type" in medium.contents):
            check_room(tdl, self.title, partitions, self.facts.disk_bytes_min)
        root = f"/cdrom{_DIRECTORY}" if medium else _DIRECTORY
        mirror, installs_from_mirror = self._mirror(tdl, medium)
        hooks = [] if self.facts.takes_packages or settings.answer is not None else ["01oz-packages"]
        hooks += ["93oz-system", "96oz-done"]
        variables = {
            **self.answer_variables(tdl, access),
            "disk_device": self._disk_device(hardware),
            "is_efi": hardware.firmware == "efi",
            "kernel_package": self._kernel_package(),
            "mirror_url": urlsplit(mirror),
            **self._disk_variables(partitions),
            "early_command": f"sh {root}/early.sh",
            "hooks": hooks,
            "installs_from_mirror": installs_from_mirror,
            "mirror": mirror,
            "root": root,
            "services": " security, updates" if installs_from_mirror and self.facts.has_updates else "",
            "sources": self._sources(mirror),
            "target": "/target",
            "writes_sources": self.facts.replaces_sources or not installs_from_mirror,
            "needs_sshd": settings.answer is None,
        }
        answer = self._answer(settings, variables)
        arguments = self._arguments(tdl, medium, settings)
        files = {
            f"{_DIRECTORY}/{name}": render(f"scripts/debian-installer/{name}", **variables).encode()
            for name in ("early.sh", *hooks)
        }
        return InstallPlan(
            answer_name="preseed.cfg",
            answer=answer,
            boots=(
                Boot(device="cdrom" if medium else "kernel", ends="power-off" if self.facts.can_power_off else "reset"),
            ),
            **self.plan_common(hardware, settings),
            edits=self._edits(medium, hardware, arguments, files, answer) if medium else (),
            # d-i reads /preseed.cfg of its initrd before it asks anything (initrd-preseed).
            initrd_files={} if medium else {**files, "/preseed.cfg": answer.encode()},
            command_line=None if medium else arguments,
        )

    def _answer(self, settings: Settings, variables: dict[str, object]) -> str:
        if settings.answer is None:
            return render("preseed/preseed.cfg", **variables)
        given = {name: variables[name] for name in variables if name != "needs_sshd"}
        answer = render_text(settings.answer, "answer file", **given)
        command = str(variables["early_command"])
        if command in answer:
            return answer
        if re.search(r"^[^#\n]*\bpreseed/early_command\s", answer, re.MULTILINE):
            raise UsageError(
                "the answer file's preseed/early_command does not run Oz's own",
                hint="add {{ early_command }} to it: it brings the key in and reports the end",
            )
        return f"{answer.rstrip()}\nd-i preseed/early_command string {command}\n"

    def _mirror(self, tdl: Tdl, medium: Medium | None) -> tuple[str, bool]:
        """The mirror, and whether packages come from it: from a netinst CD, which has the base system alone
        (debian-cd writes "not_complete" into .disk/cd_type), and from a tree."""
        if medium is None:
            return self._tree(tdl)[1], True
        return self._own_mirror(), medium.contents.get("/.disk/cd_type", b"").strip() == b"not_complete"

    def _sources(self, mirror: str) -> tuple[str, ...]:
        """The lines of sources.list that a system installed from a complete medium gets.

        A medium is gone after the installation, so its own lines would fail each update.
        """
        codename, components = self.release.codename, self.facts.components
        suites = (codename, f"{codename}-updates") if self.facts.has_updates else (codename,)
        return tuple(f"deb {mirror} {suite} {components}" for suite in suites)

    def _arguments(self, tdl: Tdl, medium: Medium | None, settings: Settings) -> str:
        """Kernel arguments. Those of the template are for the installer alone, as they ever were; what follows
        the separator, d-i keeps for the installed system as well (rootskel, user-params)."""
        facts = self.facts
        words = [*facts.kernel_arguments]
        if medium:
            words += [*facts.cd_arguments, f"preseed/file=/cdrom{_DIRECTORY}/preseed.cfg"]
            words += [f"{facts.locale_argument}={facts.locale}"]
            words += [f"{question.name}={question.answer}" for question in facts.keyboard_questions]
        words.append(f"{facts.priority_argument}=critical")
        if facts.has_text_frontend:
            words.append("DEBIAN_FRONTEND=text")
        words += self.extra_arguments(tdl, settings)
        # The last console is the one d-i talks on (rootskel, reopen-console).
        words += [facts.user_separator, "console=tty0", f"console={self.ports.console}"]
        words += [SAME_NETWORK_NAMES] if facts.has_slot_names else []
        # A boot loader puts these two before the rest.
        line = " ".join(["BOOT_IMAGE={} initrd={}".format(*self._kernel_paths()), *words])
        if len(line.encode()) > facts.command_line_bytes_max:
            raise refuse(
                tdl,
                "os/kernelparam",
                f"the kernel of {self.title} takes {facts.command_line_bytes_max} bytes of arguments, "
                f"and with yours they would be {len(line.encode())}",
            )
        return " ".join(words)

    def _edits(
        self, medium: Medium, hardware: Hardware, arguments: str, files: dict[str, bytes], answer: str
    ) -> tuple[MediumEdit, ...]:
        """Our files, and boot menus that start at once; the medium's own menus name the same kernel and initrd."""
        isolinux, grub = "/isolinux/isolinux.cfg", "/boot/grub/grub.cfg"
        kernel, initrd = self._kernel_paths()
        variables = {"kernel": kernel, "initrd": initrd, "arguments": arguments}
        menus = {isolinux: render("boot/isolinux.cfg", **variables), grub: render("boot/grub.cfg", **variables)}
        menu = isolinux if hardware.firmware == "bios" else grub
        return plan_edits(medium, hardware.firmware, menu, menus, {**files, f"{_DIRECTORY}/preseed.cfg": answer})
