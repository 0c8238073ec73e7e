"""FreeBSD, installed by bsdinstall from a CD or DVD, with an installerconfig."""

import re
from dataclasses import dataclass, replace

from oz.errors import UnsupportedError, UsageError
from oz.guests.base import KEY_MARK, Guest, Ports, UnixFacts, refuse
from oz.guests.partitions import rest_bytes
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
from oz.render import render
from oz.units import MIB

_ARCHES = {"i386": "I386", "x86_64": "AMD64", "aarch64": "ARM64_AARCH64"}
"""As volume ids have them."""
_VARIANTS: dict[str, Variant] = {"CD": "cd", "DVD": "dvd", "BO": "netinst"}
_LOADER, _ANSWER, _START = "/boot/loader.conf", "/etc/installerconfig", "/etc/rc.local"
_SETS = ("/usr/freebsd-dist/base.txz", "/usr/freebsd-dist/kernel.txz")
_BASE_MARK = "--repo-conf-dir /usr/freebsd-packages/repos"
_PACKAGES = ("/usr/freebsd-packages/repos/FreeBSD-base-offline.conf",)
# bsdinstall makes the partition of the boot loader itself, whatever disk has the root on it (bsdinstall(8)).
_OWN = ("/boot/efi", "biosboot")


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeBsdFacts(UnixFacts):
    """What differs between the releases."""

    has_packaged_base: bool


class FreeBsd(Guest):
    facts: FreeBsdFacts
    installer = "bsdinstall"
    log_command = "tail -n +1 -F /tmp/bsdinstall_log"
    medium_hint = "use disc1 or dvd1; the one called bootonly has no system on it"
    # uart(4): the callout devices; devfs makes them.
    ports = Ports(console="ttyu0", marker="/dev/cuau1", marker_number="0 0")
    power_off_command = "shutdown -p now"
    # halt(8), -q: no shutdown scripts run, so neither entropy nor leases are saved; file systems are closed.
    sealed_power_off_command = "sync; halt -p -q"

    # ---------------------------------------------------------------- media

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        return self.plan_iso(tdl, _LOADER)

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        """By the volume id, "14_2_RELEASE_AMD64_CD" (release/Makefile); 11.0's has a patch level in it."""
        found = re.fullmatch(r"(\d+)_(\d+)_\w+?_(I386|AMD64|ARM64_AARCH64)(?:_UEFI)?_(CD|DVD|BO)", medium.volume_id)
        if not found:
            return ()
        arches = tuple(arch for arch, name in _ARCHES.items() if name == found[3])
        version = f"{found[1]}.{found[2]}"
        return (Identity(distro="FreeBSD", version=version, arches=arches, variant=_VARIANTS[found[4]]),)

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        return _PACKAGES if self.facts.has_packaged_base else _SETS

    def documented_medium(self, tdl: Tdl) -> Medium:
        """A disc1, as release/Makefile and mkisoimages.sh make it."""
        volume_id = f"{self.release.version.replace('.', '_')}_RELEASE_{_ARCHES[self.arch]}_CD"
        loader = f'vfs.root.mountfrom="cd9660:/dev/iso9660/{volume_id}"\n'
        return Medium(
            path=None,
            volume_id=volume_id,
            system_id="FreeBSD",
            paths=frozenset({*self.installer_paths(Medium(path=None)), _LOADER, _START}),
            contents={_LOADER: loader.encode()},
        )

    # ---------------------------------------------------------------- the disk

    def check_template(self, tdl: Tdl, settings: Settings) -> None:
        super().check_template(tdl, settings)
        self._loader_variables(tdl)

    def plan_partitions(self, tdl: Tdl, hardware: Hardware) -> PartitionPlan:
        plan = super().plan_partitions(tdl, hardware)
        mounts = {one.mount: one.filesystem for one in plan.partitions}
        where = tdl.where("partitions")
        if "/boot" in mounts:
            raise UnsupportedError(f"{where}: the loader of {self.title} reads no /boot apart", hint="leave it out")
        others = [one for one in plan.partitions if one.mount not in ("/", "swap", *_OWN)]
        if "zfs" in mounts.values() and (others or mounts["/"] != "zfs"):
            raise UnsupportedError(
                f"{where}: with zfs {self.title} has one pool for all its file systems", hint="write / and swap alone"
            )
        if mounts["/"] == "zfs" and any(one.mount == "/" and one.size_bytes is not None for one in plan.partitions):
            raise UnsupportedError(f"{where}: the pool of {self.title} takes the rest", hint="give / no size")
        return plan

    def _slices(self, tdl: Tdl, plan: PartitionPlan) -> list[str]:
        """As scriptedpart takes them. The root is the first: the boot loader takes the first UFS for it (gptboot(8)).
        What takes the rest is so much, unless it is the last: "auto" would leave nothing to those after it."""
        wanted = sorted((one for one in plan.partitions if one.mount not in _OWN), key=lambda one: one.mount != "/")
        rest = rest_bytes(plan, tdl.disk_bytes)
        if wanted[-1].size_bytes is not None:
            wanted = [one if one.size_bytes is not None else replace(one, size_bytes=rest) for one in wanted]
        found = []
        for one in wanted:
            size = "auto" if one.size_bytes is None else f"{one.size_bytes // MIB}M"
            found.append(f"{size} freebsd-swap" if one.mount == "swap" else f"{size} freebsd-ufs {one.mount}")
        return found

    # ---------------------------------------------------------------- installing

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        assert medium is not None
        hardware = self.plan_hardware(tdl, settings)
        answer = self._answer(tdl, access, settings, hardware)
        loader = render(
            "bsdinstall/loader.conf",
            kept=medium.contents.get(_LOADER, b"").decode("utf-8", "replace").rstrip(),
            parameters=self._loader_variables(tdl),
        )
        variables = self.answer_variables(tdl, access)
        start = render("bsdinstall/rc.local", has_packaged_base=self.facts.has_packaged_base, **variables)
        files = {_LOADER: loader, _ANSWER: answer, _START: start}
        return InstallPlan(
            answer_name=_ANSWER.rpartition("/")[2],
            answer=answer,
            edits=tuple(MediumEdit(path=path, content=text.encode()) for path, text in files.items()),
            boots=(Boot(device="cdrom"),),
            **self.plan_common(hardware, settings),
        )

    def _answer(self, tdl: Tdl, access: Access, settings: Settings, hardware: Hardware) -> str:
        plan = self.plan_partitions(tdl, hardware)
        sizes = {one.mount: one.size_bytes for one in plan.partitions}
        has_pool = any(one.filesystem == "zfs" for one in plan.partitions)
        variables = {
            **self.answer_variables(tdl, access),
            "has_packaged_base": self.facts.has_packaged_base,
            "disk_device": {"virtio": "vtbd0", "scsi": "da0"}.get(hardware.disk_bus, "ada0"),
            # zfsboot makes no swap of the size 0.
            "pool_swap": f"{(sizes.get('swap') or 0) // MIB}m" if has_pool else None,
            "slices": self._slices(tdl, plan),
        }
        variables["finish"] = render("bsdinstall/finish.sh", **variables)
        variables["base"] = render("bsdinstall/base.sh", **variables)
        hint = "write {{ finish }} into its script, after #!/bin/sh: it brings the key in"
        answer = self.render_answer("bsdinstall/installerconfig", settings, variables, KEY_MARK, hint)
        if self.facts.has_packaged_base and _BASE_MARK not in answer:
            raise UsageError(
                f"the answer file does not install packages, and the media of {self.title} have no sets",
                hint="write {{ base }} into its preamble, in place of DISTRIBUTIONS",
            )
        return answer

    def _loader_variables(self, tdl: Tdl) -> tuple[tuple[str, str], ...]:
        """The template's kernel parameters: FreeBSD's loader takes variables, for the installer's kernel alone."""
        found = []
        for word in (tdl.kernelparam or "").split():
            parameter = re.fullmatch(r"([A-Za-z][\w.]*)=([^\"\\$]*)", word, re.ASCII)
            if parameter is None:
                raise refuse(
                    tdl, "os/kernelparam", f"{word!r} is no variable of FreeBSD's loader", "write it as name=value"
                )
            found.append((parameter[1], parameter[2]))
        return tuple(found)
