"""openSUSE Leap, Tumbleweed and SLES as Agama installs them: from its live medium, with a profile in JSON.

What Agama does is by its sources (https://github.com/agama-project/agama): live/src/config.sh and
live/config-cdroot for the medium, rust/agama-autoinstall for how a profile is found, products.d for the products.
"""

from dataclasses import dataclass

from oz.guests.base import SAME_NETWORK_NAMES, Guest, UnixFacts, disk_device
from oz.guests.edits import plan_edits
from oz.guests.partitions import BIOS_BOOT, EFI, VOLUME_GROUP, is_volume
from oz.guests.suse import Suse
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

_PROFILE = "autoinst.json"
_MENU = "/boot/grub2/grub.cfg"
"""For both firmwares: the one in the EFI boot image comes to it."""
_LIVE = "/LiveOS/squashfs.img"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgamaFacts(UnixFacts):
    """What differs between the releases."""

    label: str
    """What the medium's volume id, Install-LABEL-ARCH, says of the release."""
    product: str
    """Its "id" in products.d."""
    mode: str | None
    """Of the product, where it has several."""


class Agama(Guest):
    facts: AgamaFacts
    installer = "agama"
    log_command = "journalctl --no-tail -f -u 'agama*' | grep --line-buffered -m 20000 ."
    log_places = ("/var/log/agama-installation",)
    identity_files = Suse.identity_files
    medium_hint = "use Agama's, as in Leap-16.0-offline-installer, SLES-16.0-Full or agama-installer; a DVD has YaST"

    # ---------------------------------------------------------------- media

    def plan_media(self, tdl: Tdl) -> MediaPlan:
        return self.plan_iso(tdl, *self.identity_files)

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        return Suse.identify(medium)

    def is_version(self, version: str) -> bool:
        """A medium of SLES may tell its major version alone."""
        wanted = self.version.split(".")
        return all(one == other for one, other in zip(version.split("."), wanted, strict=False))

    @property
    def _kernel_paths(self) -> tuple[str, str]:
        directory = f"/boot/{self.arch}/loader"
        return f"{directory}/linux", f"{directory}/initrd"

    def installer_paths(self, medium: Medium) -> tuple[str, ...]:
        return (*self._kernel_paths, _LIVE)

    def documented_medium(self, tdl: Tdl) -> Medium:
        """As Agama's kiwi description makes it, with or without packages in /install."""
        paths = frozenset({*self._kernel_paths, _LIVE, _MENU})
        return Medium(path=None, volume_id=f"Install-{self.facts.label}-{self.arch}", paths=paths)

    # ---------------------------------------------------------------- installing

    def plan_install(self, tdl: Tdl, medium: Medium | None, access: Access, settings: Settings) -> InstallPlan:
        hardware = self.plan_hardware(tdl, settings)
        medium = medium or self.documented_medium(tdl)
        answer = self._answer(tdl, access, settings, hardware)
        kernel, initrd = self._kernel_paths
        arguments = self._arguments(tdl, settings)
        menu = render("boot/grub-search-file.cfg", kernel=kernel, initrd=initrd, arguments=arguments)
        return InstallPlan(
            answer_name=_PROFILE,
            answer=answer,
            boots=(Boot(device="cdrom"),),
            **self.plan_common(hardware, settings),
            edits=plan_edits(medium, hardware.firmware, _MENU, {_MENU: menu}, {f"/{_PROFILE}": answer}),
        )

    def _answer(self, tdl: Tdl, access: Access, settings: Settings, hardware: Hardware) -> str:
        plan = self.plan_partitions(tdl, hardware)
        # Agama makes what the firmware needs, and refuses a second one.
        mine = [one for one in plan.partitions if one not in (EFI, BIOS_BOOT)]
        variables = {
            **self.answer_variables(tdl, access),
            "disk_device": disk_device(hardware),
            "partitions": [one for one in mine if not is_volume(plan, one)],
            "volume_group": VOLUME_GROUP,
            "volumes": [one for one in mine if is_volume(plan, one)],
        }
        variables["finish"] = render("agama/finish.sh", **variables)
        hint = 'give it {{ finish | json }} as the "content" of the last one of its "post" scripts'
        return self.render_answer("agama/autoinst.json", settings, variables, access.nonce, hint)

    def _arguments(self, tdl: Tdl, settings: Settings) -> str:
        """Kernel arguments. The live system's own, root=live:LABEL=..., is in the initrd; Agama hands ours on to the
        installed system's boot loader."""
        words = [
            # Named, as 16.0 looks for it on a volume OEMDRV alone, and later releases on the medium too: where dracut
            # mounts that.
            f"inst.auto=file:///run/initramfs/live/{_PROFILE}",
            "inst.finish=poweroff",
            # SLES would fetch a newer installer from the network.
            "inst.self_update=0",
            SAME_NETWORK_NAMES,
            *self.extra_arguments(tdl, settings),
            "console=tty0",
            f"console={self.ports.console}",
        ]
        return " ".join(words)
