"""Manifests: taken through a shell of this host, judged by a RELAX NG grammar of ICICLE of our own."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree
from plans import sample_tdl

from oz import config as oz_config
from oz.build import Build, Options, open_build
from oz.errors import GuestError
from oz.guests import guest_for
from oz.manifest import take_manifest, to_icicle, to_json
from oz.model import InstalledPackage, Manifest, Settings
from oz.protocols import Ran

ICICLE = etree.RelaxNG(
    etree.fromstring(b"""
<element name="icicle" xmlns="http://relaxng.org/ns/structure/1.0">
  <interleave>
    <optional><element name="description"><text/></element></optional>
    <element name="packages">
      <zeroOrMore>
        <element name="package">
          <attribute name="name"/>
          <optional><element name="extra"><text/></element></optional>
        </element>
      </zeroOrMore>
    </element>
  </interleave>
</element>
""")
)
HOSTILE = "a\0b\x1b[2J\x9b\x85\ufffe\udcff<&>\"'\n\r]]>‮é😀"


@dataclass(frozen=True)
class LocalShell:
    """model.Shell on this host."""

    def run(self, script: bytes, *, timeout_s: float | None = None, label: str = "the script") -> Ran:
        done = subprocess.run(["sh"], input=script, capture_output=True, timeout=timeout_s, check=False)
        return Ran(status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def put(self, content: bytes | Path, path: str, *, mode: int = 0o644) -> None:
        raise AssertionError("a manifest changes nothing")

    def close(self) -> None:
        pass


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    path = tmp_path / "oz.cfg"
    path.write_text(f"[paths]\noutput_dir = {tmp_path}/images\ndata_dir = {tmp_path}/data\n")
    config = oz_config.load(path, is_root=False, home=tmp_path)
    tdl = sample_tdl("12", description="a system")
    with open_build(tdl, guest_for(tdl), config, Settings(), Options(), image=config.output_dir / "sample.dsk") as made:
        yield made


def with_extra(build: Build, command: str) -> Build:
    changed = sample_tdl("12", icicle_extra_command=command)
    return Build(**{**{name: getattr(build, name) for name in Build.__dataclass_fields__}, "tdl": changed})


def package(name: str = "sed", **values: str) -> InstalledPackage:
    return InstalledPackage(name=name, version="1", **values)


def read(text: str) -> etree._Element:
    root = etree.fromstring(text.encode())
    ICICLE.assertValid(root)
    return root


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="this host has no dpkg to list")
def test_the_packages_of_this_host(build: Build) -> None:
    manifest = take_manifest(LocalShell(), build)
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n"], capture_output=True)
    names = [line.split()[1] for line in listed.stdout.decode().splitlines() if line.startswith("installed ")]
    assert [each.name for each in manifest.packages] == names
    root = read(to_icicle(manifest))
    assert [child.tag for child in root] == ["description", "packages"] and root.findtext("description") == "a system"
    assert [each.get("name") for each in root.iter("package")] == names


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="this host has no dpkg to list")
def test_an_extra_line_for_each_package(build: Build) -> None:
    """The lines may hold whatever ends a line elsewhere than in a shell."""
    all_of_them = r"""dpkg-query -W -f '${Status}\t${Package}\n' | awk -F'\t' '/ installed\t/ { """
    manifest = take_manifest(LocalShell(), with_extra(build, all_of_them + r"""print "of\f\v\033[1m " $2 "\r" }'"""))
    assert all(each.extra == f"of[1m {each.name}" for each in manifest.packages)
    root = read(to_icicle(manifest))
    assert root.find("packages/package/extra").text == f"of[1m {manifest.packages[0].name}"


def test_too_few_extra_lines(build: Build) -> None:
    with pytest.raises(GuestError, match=r"printed 2 lines for \d+ packages: echo 1; echo 2") as caught:
        take_manifest(LocalShell(), with_extra(build, "echo 1; echo 2"))
    assert caught.value.hint and "one line for each package" in caught.value.hint


def test_an_extra_command_that_prints_nothing(build: Build) -> None:
    with pytest.raises(GuestError, match=r"printed 0 lines for \d+ packages: true"):
        take_manifest(LocalShell(), with_extra(build, "true"))


def test_a_command_that_fails_is_shown_with_its_own_words(build: Build) -> None:
    with pytest.raises(GuestError, match=r"status 3: no such thing\n  command: echo no such thing >&2; exit 3"):
        take_manifest(LocalShell(), with_extra(build, "echo no such thing >&2; exit 3"))


@pytest.mark.parametrize("description", [None, "", "two words", HOSTILE])
@pytest.mark.parametrize("extra", [None, "", "x y", HOSTILE])
@pytest.mark.parametrize("name", ["sed", "a b", HOSTILE])
def test_icicle_is_valid_whatever_is_in_it(name: str, extra: str | None, description: str | None) -> None:
    text = to_icicle(Manifest(packages=(package(name, extra=extra), package()), description=description))
    assert text.isascii() and "\x1b" not in text
    root = read(text)
    first, second = root.iter("package")
    assert second.get("name") == "sed" and not len(second)
    if name == HOSTILE:
        assert first.get("name") == "ab[2J<&>\"']]>‮é😀"
    assert (first.find("extra") is not None) == (extra is not None)


def test_no_packages() -> None:
    assert not len(read(to_icicle(Manifest(packages=()))).find("packages"))
    assert json.loads(to_json(Manifest(packages=()))) == {"description": None, "packages": []}


def test_json_has_every_field() -> None:
    full = package("vim", epoch="2", release="3+deb13u1", architecture="amd64", extra=HOSTILE)
    text = to_json(Manifest(packages=(package(), full), description=HOSTILE))
    assert text.isascii()
    document = json.loads(text)
    assert document["packages"] == [
        {"name": "sed", "epoch": "", "version": "1", "release": "", "architecture": ""},
        {
            "name": "vim",
            "epoch": "2",
            "version": "1",
            "release": "3+deb13u1",
            "architecture": "amd64",
            "extra": HOSTILE,
        },
    ]
