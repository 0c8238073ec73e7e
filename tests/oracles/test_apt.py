"""apt and dpkg of this host read what we write, and write what we read."""

import shutil
import subprocess
from pathlib import Path

import pytest
from plans import sample_tdl

from oz.guests import guest_for
from oz.model import Content, PutFile, Repository

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="this host has no apt to judge apt's files")

KEYED = Repository(
    name="keyed",
    url="deb [arch=amd64] http://h.example/other sid main contrib",
    key=Content(data=b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"),
)
FLAT = Repository(name="flat", url="https://h.example/flat ./", signed=False, sslverify=False)


def files_of(version: str, repository: Repository, directory: Path) -> dict[str, Path]:
    """What adding a repository writes, by its last suffix."""
    found = {}
    tdl = sample_tdl(version, repositories=(repository,))
    for action in guest_for(tdl).plan_customize(tdl):
        if isinstance(action, PutFile) and action.content.data is not None:
            path = directory / Path(action.path).name
            path.write_bytes(action.content.data)
            found[path.suffix] = path
    return found


def apt(*words: str, file: Path, state: Path) -> subprocess.CompletedProcess[str]:
    """apt-get with this one list of sources and nothing of the host's state."""
    (state / "lists/partial").mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    options = {
        "Dir::Etc::SourceList": file, "Dir::Etc::SourceParts": "-", "Dir::State": state, "Dir::Cache": state / "cache",
        "Dir::State::status": state / "status", "APT::Sandbox::User": "", "APT::Update::Error-Mode": "any",
        "APT::Architecture": "amd64", "APT::Architectures": "amd64",
    }  # fmt: skip
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return subprocess.run(["apt-get", *given, *words], text=True, capture_output=True)


@pytest.mark.parametrize(("version", "suffix"), [("9", ".list"), ("13", ".sources")])
def test_apt_reads_a_repository_with_its_key(version: str, suffix: str, tmp_path: Path) -> None:
    file = files_of(version, KEYED, tmp_path)[suffix]
    asked = apt("update", "--print-uris", file=file, state=tmp_path / "state")
    assert "'http://h.example/other/dists/sid/InRelease'" in asked.stdout and not asked.stderr
    assert "/etc/apt/keyrings/keyed.asc" in file.read_text() and "rusted" not in file.read_text()


@pytest.mark.parametrize(("version", "suffix"), [("9", ".list"), ("13", ".sources")])
def test_apt_reads_an_unsigned_repository_only_where_the_template_says_so(
    version: str, suffix: str, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "Packages").write_text("Package: tiny\nVersion: 1\nArchitecture: amd64\nFilename: ./tiny.deb\nSize: 1\n")
    for signed in (False, True):
        repository = Repository(
            name="flat", url=f"file:{flat} ./", signed=signed, key=None if not signed else KEYED.key
        )
        file = files_of(version, repository, tmp_path)[suffix]
        read = apt("update", file=file, state=tmp_path / f"state-{signed}")
        assert (read.returncode == 0) is not signed, read.stdout + read.stderr
        shown = apt("install", "--simulate", "tiny", file=file, state=tmp_path / f"state-{signed}")
        assert ("Inst tiny" in shown.stdout) is not signed, shown.stdout + shown.stderr


def test_apt_reads_that_certificates_are_not_to_be_looked_at(tmp_path: Path) -> None:
    conf = files_of("13", FLAT, tmp_path)[".conf"]
    dump = subprocess.run(["apt-config", "-c", str(conf), "dump"], text=True, capture_output=True, check=True)
    assert 'Acquire::https::h.example::Verify-Peer "false";' in dump.stdout
    assert 'Acquire::https::h.example::Verify-Host "false";' in dump.stdout


def test_dpkgs_own_list_of_this_host_is_understood() -> None:
    guest = guest_for(sample_tdl())
    command = guest.plan_manifest(sample_tdl()).command
    listed = subprocess.run(["sh", "-c", command], text=True, capture_output=True, check=True)
    found = {package.name: package for package in guest.parse_packages(listed.stdout)}
    installed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "dpkg"], text=True, capture_output=True, check=True
    ).stdout
    dpkg = found["dpkg"]
    whole = f"{dpkg.epoch}:" * bool(dpkg.epoch) + dpkg.version + f"-{dpkg.release}" * bool(dpkg.release)
    assert whole == installed and dpkg.architecture
