"""rpm, dnf and zypper of this host read what we write, check signatures by it, and write what we read."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rpmworld import PASSWORD, PrivateServer, Root, Signer, actions_of, build_package, run

from oz.model import Action, Content, Package, PutFile, Repository

NAME = "my.repo"
TOOLS = ("rpmbuild", "rpmsign", "createrepo_c", "gpg", "dnf", "zypper", "openssl")
MISSING = [name for name in TOOLS if shutil.which(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"this host has no {', '.join(MISSING)} to judge repositories"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can install into a directory"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    work: Path
    own: Signer
    """Signs all of "signed"."""
    other: Signer
    server: PrivateServer

    def url(self, name: str) -> str:
        return f"file://{self.work}/srv/{name}"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    work = Path(tempfile.mkdtemp(prefix="ozr", dir="/tmp"))
    signers = []
    for name in ("own", "other"):
        (work / name).mkdir(mode=0o700)
        signers.append(Signer(home=work / name, name=name).make_key())
    for name in ("signed", "unsigned"):
        package = build_package("tiny", work / "srv" / name, work)
        if name == "signed":
            signers[0].sign_package(package)
        run("createrepo_c", "-q", package.parent)
        if name == "signed":
            signers[0].sign_lists(package.parent)
    server = PrivateServer(work / "srv/unsigned", work)
    yield World(work=work, own=signers[0], other=signers[1], server=server)
    server.close()
    for signer in signers:
        subprocess.run(["gpgconf", "--homedir", signer.home, "--kill", "all"], check=False)
    shutil.rmtree(work)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(path=tmp_path / "root").make()


def planned(manager: str, url: str, **values: Any) -> tuple[Action, ...]:
    """What adds the repository, installs from it alone, and takes it away again."""
    repository = Repository(name=NAME, url=url, persisted=False, **values)
    return actions_of(manager, repository, packages=(Package(name="tiny", repository=NAME),))


def is_removal(action: Action) -> bool:
    return not isinstance(action, PutFile) and action.label == f"remove repository {NAME}"


@pytest.mark.parametrize("manager", ["dnf", "zypper"])
def test_a_signed_package_is_installed_and_the_repository_goes_with_its_key(
    manager: str, world: World, root: Root
) -> None:
    actions = planned(manager, world.url("signed"), key=world.own.public_key())
    root.do(tuple(action for action in actions if not is_removal(action)))
    assert root.installed() == {"gpg-pubkey": "", "tiny": "noarch"}
    root.do(tuple(action for action in actions if is_removal(action)))
    assert root.installed() == {"tiny": "noarch"}
    kept = [path for path in root.path.rglob(f"*{NAME}*") if path.is_file()]
    assert not kept and not list((root.path / "etc/pki/rpm-gpg").iterdir())


def test_a_key_that_the_system_had_stays_when_the_repository_goes(world: World, root: Root) -> None:
    key = root.path / "key"
    key.write_bytes(world.own.public_key().data or b"")
    run(root.path / "bin/rpm", "--import", key)
    actions = [
        action
        for action in planned("dnf", world.url("signed"), key=world.own.public_key())
        if isinstance(action, PutFile) or action.label.startswith(("trust", "remove repository"))
    ]
    root.do(tuple(actions))
    assert list(root.installed()) == ["gpg-pubkey"]


@pytest.mark.parametrize(
    ("manager", "complaint"), [("dnf", "GPG check FAILED"), ("zypper", "signed with an unknown key")]
)
def test_a_package_signed_by_another_key_is_refused(manager: str, complaint: str, world: World, root: Root) -> None:
    with pytest.raises(AssertionError, match=complaint):
        root.do(planned(manager, world.url("signed"), key=world.other.public_key()))
    assert "tiny" not in root.installed()


@pytest.mark.parametrize(("manager", "complaint"), [("dnf", "tiny.rpm is not signed"), ("zypper", "is unsigned")])
def test_an_unsigned_package_is_refused_where_it_should_be_signed(
    manager: str, complaint: str, world: World, root: Root
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        root.do(planned(manager, world.url("unsigned"), key=world.own.public_key()))
    assert "tiny" not in root.installed()


@pytest.mark.parametrize("manager", ["dnf", "zypper"])
def test_an_unsigned_one_behind_a_password_is_read_where_certificates_are_not_looked_at(
    manager: str, world: World, root: Root
) -> None:
    said = root.do(planned(manager, world.server.url(), signed=False, sslverify=False)[:-2])
    assert root.installed() == {"tiny": "noarch"}
    holders = [path for path in (root.path / "etc").rglob("*") if path.is_file() and PASSWORD in path.read_text()]
    assert len(holders) == 1 and stat.S_IMODE(holders[0].stat().st_mode) == 0o600
    logs = [path.read_text() for path in (root.path / "var/log").rglob("*") if path.is_file()]
    assert not any(PASSWORD in text or PASSWORD[-3:] in text for text in (said, *logs))


@pytest.mark.parametrize(("manager", "complaint"), [("dnf", r"Curl error \(60\)"), ("zypper", "SSL")])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    manager: str, complaint: str, world: World, root: Root
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        root.do(planned(manager, world.server.url(), signed=False))


def test_a_package_that_is_not_there_is_a_failure(world: World, root: Root) -> None:
    for manager, complaint in (("dnf", "Unable to find a match: none"), ("zypper", "No provider of 'none' found")):
        repository = Repository(name=NAME, url=world.url("unsigned"), signed=False)
        packages = (Package(name="none", repository=NAME), Package(name="tiny", repository=NAME))
        with pytest.raises(AssertionError, match=complaint):
            root.do(actions_of(manager, repository, packages=packages))


def test_dnf_trusts_the_distributions_keys_where_a_repository_has_none(world: World, root: Root) -> None:
    actions = planned("dnf", world.url("signed"))
    with pytest.raises(AssertionError, match=f"repository {NAME} is signed, but neither the template nor this system"):
        root.do(actions)
    key = root.path / "etc/pki/rpm-gpg/RPM-GPG-KEY-distribution"
    key.write_bytes(world.own.public_key().data or b"")
    (root.path / "etc/yum.repos.d/base.repo").write_text(f"[base]\nname=x\nenabled=0\ngpgkey=file://{key}\n")
    root.do(actions)
    assert "tiny" in root.installed()


def test_a_name_that_the_system_has_is_refused(world: World, root: Root) -> None:
    for manager, directory in (("dnf", "etc/yum.repos.d"), ("zypper", "etc/zypp/repos.d")):
        (root.path / directory / "base.repo").write_text(f"[{NAME}]\nname=x\nenabled=0\nbaseurl=file:///x\n")
        with pytest.raises(AssertionError, match=rf"this system has a repository {NAME} already, in .*base\.repo"):
            root.do(planned(manager, world.url("unsigned"), signed=False))


@pytest.mark.parametrize(("place", "key", "is_taken"), [("signed", "own", True), ("signed", "other", False),
                                                       ("unsigned", "own", False)])  # fmt: skip
def test_rpm_alone_checks_a_file_by_the_key_of_its_repository(
    place: str, key: str, is_taken: bool, world: World, root: Root
) -> None:
    repository = Repository(name=NAME, url="http://h.example/x", key=getattr(world, key).public_key())
    actions = actions_of("rpm", repository, packages=(Package(name="tiny.rpm", repository=NAME),))
    file = Content(data=(world.work / "srv" / place / "tiny.rpm").read_bytes())
    fetched = tuple(
        PutFile(path=action.path, content=file)
        if isinstance(action, PutFile) and action.content.url == "http://h.example/x/tiny.rpm"
        else action
        for action in actions
    )
    if is_taken:
        root.do(fetched)
        assert root.installed() == {"tiny": "noarch"} and not (root.path / "var/tmp/oz-packages").exists()
    else:
        with pytest.raises(AssertionError, match="not signed by a key of its repository"):
            root.do(fetched)
        assert not root.installed()


def test_rpms_own_list_is_understood(world: World, root: Root) -> None:
    package = world.work / "srv/unsigned/tiny.rpm"
    run(root.path / "bin/rpm", "-i", "--nosignature", package)
    assert root.packages()[0].version == "1.5"
    tiny = root.packages()[0]
    assert (tiny.name, tiny.epoch, tiny.release, tiny.architecture) == ("tiny", "2", "3", "noarch")
