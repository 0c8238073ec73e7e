"""Packages of the suite from the Debian mirror this host already uses, by a private apt.

The private apt has the host's proxy, credential and certificate settings but its own sources, lists and an empty
dpkg status: it resolves and downloads, as any user, and touches nothing of the host. Only apt talks to the network,
and it verifies every byte with Debian's own keys.
"""

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from running import BuildError, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SITE_VARIABLE = "OZ_DEBIAN_MIRROR"
OTHER_NAME = "stable"
"""Under which a mirror serves the suite too, while it is the current one."""


def find_mirror() -> str:
    """The URL of the mirror: $OZ_DEBIAN_MIRROR, else the first of this host's apt sources that is Debian's main
    archive. Raises BuildError."""
    if url := os.environ.get(SITE_VARIABLE):
        return url.rstrip("/")
    listing = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)\t$(ORIGIN)\t$(LABEL)", "Created-By: Packages"],
        what="reading this host's apt sources",
    ).decode()
    rows = [line.split("\t") for line in listing.splitlines() if line.count("\t") == 2]
    by_label = [uri for uri, origin, label in rows if origin == label == "Debian"]
    # Without downloaded lists apt knows neither origin nor label.
    by_path = [uri for uri, _, _ in rows if re.search(r"/debian/?$", uri)]
    for uri in by_label + by_path:
        return uri.rstrip("/")
    raise BuildError(
        "none of this host's apt sources is Debian's main archive; name a mirror of it: "
        f"{SITE_VARIABLE}=http://MIRROR/debian make demo"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A suite of a mirror, and the directory with what was downloaded from it (kept from one build to the next)."""

    url: str
    suite: str
    directory: Path

    def _apt(self, *words: str | Path, directory: Path | None = None, what: str) -> bytes:
        settings = {
            "Dir::Etc::SourceList": self.directory / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": self.directory / "state",
            "Dir::State::status": self.directory / "status",
            "Dir::Cache": self.directory / "cache",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Install-Recommends": "false",
            "APT::Install-Suggests": "false",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        return run(["apt-get", "-q", *options, *words], directory=directory, what=what)

    def update(self) -> None:
        """Fetch the suite's package lists: of the archive and of the installer's components. Raises BuildError.

        A mirror in the middle of a point release, or behind a cache, may serve one name of the suite with a list of
        components that its Release file does not vouch for, and another name of it whole.
        """
        for name in ("state/lists/partial", "cache/archives/partial", "debs/partial", "udebs"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").write_bytes(b"")
        try:
            self._update(installer_suite=self.suite)
        except BuildError:
            try:
                self._update(installer_suite=OTHER_NAME)
            except BuildError:
                # its own message is about the name that counts
                self._update(installer_suite=self.suite)

    def _update(self, *, installer_suite: str) -> None:
        source = f"deb [signed-by={KEYRING}] {self.url}"
        (self.directory / "sources.list").write_text(
            f"{source} {self.suite} main\n{source} {installer_suite} main/debian-installer\n"
        )
        self._apt(
            "update",
            "-o",
            "APT::Update::Error-Mode=any",
            what=f"the mirror {self.url} of this host's apt sources cannot be used (is the network up?)",
        )
        found = self._index_field("main/debian-installer", "$(CODENAME)")
        if found != self.suite:
            raise BuildError(f"{self.url}: {installer_suite} is {found} today, not {self.suite}")

    def _index(self, component: str) -> Path:
        return Path(self._index_field(component, "$(FILENAME)"))

    def _index_field(self, component: str, field: str) -> str:
        words = ["--format", field, "Created-By: Packages", f"Component: {component}"]
        return self._apt("indextargets", *words, what="reading the package lists").decode().strip()

    def _read_index(self, component: str) -> bytes:
        return run(["/usr/lib/apt/apt-helper", "cat-file", self._index(component)], what="reading a package list")

    def installer_components(self) -> list[str]:
        """The names of all packages the installer is made of (udebs)."""
        return re.findall(r"^Package: (\S+)", self._read_index("main/debian-installer").decode(), re.MULTILINE)

    def drop_outdated(self, directory: Path, component: str) -> None:
        """Remove packages that an earlier build downloaded and the mirror has replaced since."""
        index = self._read_index(component).decode()
        current = {path.rpartition("/")[2] for path in re.findall(r"^Filename: (\S+)", index, re.MULTILINE)}
        for package in directory.glob("*.*deb"):
            if re.sub(r"_\d+%3a", "_", package.name) not in current:
                package.unlink()

    def release(self) -> bytes:
        """The suite's signed Release file (InRelease)."""
        name = self._index("main").name.partition("_main_")[0] + "_InRelease"
        return (self.directory / "state/lists" / name).read_bytes()

    def base_system(self, debootstrap: Path) -> list[str]:
        """The packages of a base system as `debootstrap` (an unpacked debootstrap-udeb) resolves them: just those the
        installer will want. It reads the verified lists from a file:/ mirror made for it."""
        mirror = self.directory / "base"
        shutil.rmtree(mirror, ignore_errors=True)
        lists = mirror / "dists" / self.suite
        (lists / "main/binary-amd64").mkdir(parents=True)
        (lists / "InRelease").write_bytes(self.release())
        (lists / "main/binary-amd64/Packages").write_bytes(self._read_index("main"))
        script = debootstrap / "usr/share/debootstrap"
        listing = run(
            [
                "sh",
                debootstrap / "usr/sbin/debootstrap",
                "--print-debs",
                "--arch=amd64",
                # apt has verified these lists; sqv would add the keys it used to the names on standard output.
                "--no-check-gpg",
                self.suite,
                mirror / "target",
                f"file://{mirror}",
                script / "scripts" / self.suite,
            ],
            what="listing the base system",
            environment={"DEBOOTSTRAP_DIR": str(script)},
        )
        names = listing.decode().split()
        if len(names) < 50:
            raise BuildError(f"debootstrap lists only {len(names)} packages for a base system")
        return names

    def download_closure(self, names: Sequence[str]) -> set[Path]:
        """Packages and all they depend on, in debs/; they must be installable together."""
        directory = self.directory / "debs"
        words = ["install", "-y", "-o", f"Dir::Cache::archives={directory}", *names]
        plan = self._apt("--simulate", *words, what="resolving what packages depend on").decode()
        self._apt("--download-only", *words, what="downloading packages")
        chosen = re.findall(r"^Inst (\S+) \((\S+) .*\[(\S+)\]\)", plan, re.MULTILINE)
        return {directory / f"{name}_{version.replace(':', '%3a')}_{arch}.deb" for name, version, arch in chosen}

    def download(self, names: Iterable[str], directory: Path, *, is_partial_ok: bool = False) -> None:
        """Have just these packages in `directory`. Raises BuildError, unless some may be missing from the mirror."""
        try:
            self._apt("download", *names, directory=directory, what="downloading packages")
        except BuildError as error:
            if not is_partial_ok or "Failed to fetch" not in str(error):
                raise

    def deb(self, name: str) -> Path:
        """The downloaded package `name`, the newest one. Raises BuildError."""
        found = sorted((self.directory / "debs").glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise BuildError(f"the package {name} was not downloaded")
        return found[-1]
