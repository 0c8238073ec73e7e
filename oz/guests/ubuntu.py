"""Ubuntu as debian-installer installs it: from a server or alternate CD, or from a netboot tree."""

import re

from oz.guests.base import Guest
from oz.guests.debian import Debian
from oz.guests.debianfacts import ARCHITECTURES
from oz.model import Identity, Medium, Tdl, Variant

_KERNEL = "/install/vmlinuz"


class Ubuntu(Debian):
    medium_hint = "use the server or the alternate CD"
    netboot_name = "ubuntu-installer"

    # ---------------------------------------------------------------- media

    @classmethod
    def identify(cls, medium: Medium) -> tuple[Identity, ...]:
        """By .disk/info, 'Ubuntu-Server 8.04.1 "Hardy Heron" - Release amd64 (20080702)', else by the volume id,
        "Ubuntu-Server 8.04.1 amd64"; from 10.04 on "LTS" follows the version of those releases."""
        text = medium.contents.get("/.disk/info", b"").decode("utf-8", "replace").strip()
        claim = re.match(r'Ubuntu(?:-Server)? (\d[\d.]*)(?: ?LTS)? "[^"]*" - .+? ([^\s()]+)(?: \(\S+\))?$', text)
        claim = claim or re.match(r"Ubuntu(?:-Server)? (\d[\d.]*?)(?: ?LTS)? (\S+)$", medium.volume_id)
        if claim is None:
            return ()
        names = {facts.name: arch for arch, facts in ARCHITECTURES.items()}
        arch = names.get(claim[2], claim[2])
        return (Identity(distro="Ubuntu", version=claim[1], arches=(arch,), variant=cls._kind(medium)),)

    @staticmethod
    def _kind(medium: Medium) -> Variant:
        """Desktop, live and live server CDs have casper's file system; DVDs have both it and the installer's packages.

        The live CDs of 5.04 and 5.10 start the kernel that installs, too, but have no base system to install.
        """
        if not any(path.startswith("/casper/") for path in medium.paths):
            return "cd"
        return "dvd" if {_KERNEL, "/.disk/base_installable"} <= medium.paths else "live"

    def is_version(self, version: str) -> bool:
        # None of its media is one of testing.
        return Guest.is_version(self, version)

    def _kernel_paths(self) -> tuple[str, str]:
        return _KERNEL, "/install/initrd.gz"

    def documented_medium(self, tdl: Tdl) -> Medium:
        """The server CD, as https://old-releases.ubuntu.com/releases lists it, with the volume id that osinfo-db has;
        before 6.06 there was one CD for all."""
        contents = {"/.disk/cd_type": b"full_cd/single\n"}
        return Medium(
            path=None,
            volume_id=f"{self.facts.medium_name} {self.architecture.name}",
            paths=frozenset({*contents, "/.disk/base_installable", *self._boot_paths()}),
            contents=contents,
        )

    # ---------------------------------------------------------------- installing

    def _sources(self, mirror: str) -> tuple[str, ...]:
        """The lines of sources.list. A mirror of Ubuntu has the updates and the security updates as well; so does the
        archive of old releases, which takes the place of the installer's own security host."""
        codename, components = self.release.codename, self.facts.components
        return tuple(f"deb {mirror} {codename}{pocket} {components}" for pocket in ("", "-updates", "-security"))
