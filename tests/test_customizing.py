"""What is done to installed systems of the rpm world: goldens for each distinct way, and which releases share it."""

import functools
import json
from dataclasses import replace

import pytest
from goldens import GOLDEN, compare
from plans import action_text, sample_access, sample_tdl

from oz.guests import all_releases, guest_for
from oz.model import Command, Content, GuestFile, Package, Repository, Tdl

FAMILIES = (
    "RedHatLinux",
    "RHEL",
    "CentOS",
    "FedoraCore",
    "Fedora",
    "openSUSE",
    "SLES",
    "Mandrake",
    "Mandriva",
    "Mageia",
)
"""Their rebuilds are compared with RHEL; Debian's and Ubuntu's goldens are kept by tests of their own."""
KEY = Content(data=b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
GROUPS = GOLDEN / "customize-rpm/releases.json"


def full_tdl(distro: str, version: str, arch: str) -> Tdl:
    """A template that asks for everything that all of them can do."""
    install_type = next(row for row in all_releases() if (row.distro, row.version) == (distro, version)).install_types[
        0
    ]
    return sample_tdl(
        version,
        arch,
        install_type,
        distro=distro,
        repositories=(
            Repository(name="own", url="http://h.example/own", key=KEY),
            Repository(name="passing", url="http://h.example/passing", key=KEY, persisted=False),
        ),
        precommands=(Command(name="first", content=Content(data=b"echo first\n")),),
        # rpm alone has no other way than to be told the file.
        packages=(Package(name="vim-1-1.noarch.rpm", repository="own"),),
        files=(GuestFile(path="/etc/motd", content=Content(data=b"hello\n")),),
        commands=(Command(name="last", content=Content(data=b"echo last\n")),),
    )


def texts_of(distro: str, version: str, arch: str) -> dict[str, str]:
    tdl = full_tdl(distro, version, arch)
    guest = guest_for(tdl)
    return {
        "customize": action_text(guest.plan_customize(tdl)),
        "list": guest.plan_manifest(replace(tdl, packages=())).command + "\n",
        "seal": action_text(guest.plan_seal()),
        "renewal": action_text(guest.plan_renewal(sample_access(guest))),
    }


@functools.cache
def ways() -> dict[str, tuple[dict[str, str], list[str]]]:
    """By the name of the first release that has it: the texts, and all releases that have them."""
    found: dict[str, tuple[str, dict[str, str], list[str]]] = {}
    for row in all_releases():
        if row.distro in FAMILIES:
            texts = texts_of(row.distro, row.version, row.arches[0])
            name = f"{row.distro} {row.version}"
            found.setdefault(json.dumps(texts), (name.replace(" ", "-").lower(), texts, []))[2].append(name)
    return {name: (texts, releases) for name, texts, releases in found.values()}


def test_customizing_is_the_one_that_was_read_and_kept(request: pytest.FixtureRequest) -> None:
    for name, (texts, _) in ways().items():
        compare(GOLDEN / f"customize-{name}", texts, regenerate=request.config.getoption("regenerate"))


def test_releases_share_a_way_where_they_are_said_to(request: pytest.FixtureRequest) -> None:
    text = json.dumps({name: releases for name, (_, releases) in ways().items()}, indent=1) + "\n"
    compare(GROUPS.parent, {GROUPS.name: text}, regenerate=request.config.getoption("regenerate"))
    kept = {path.name.removeprefix("customize-") for path in GOLDEN.glob("customize-*") if path != GROUPS.parent}
    assert kept == set(ways())


@pytest.mark.parametrize("distro", ["ScientificLinux", "OracleLinux", "AlmaLinux", "Rocky", "CentOSStream"])
def test_rebuilds_are_customized_like_the_original(distro: str) -> None:
    known = [texts for texts, _ in ways().values()]
    for row in all_releases():
        if row.distro == distro:
            assert texts_of(row.distro, row.version, row.arches[0]) in known, row.version
