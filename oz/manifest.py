"""The package manifest of an image: taken over ssh, on an overlay that is thrown away."""

import json
import re
from dataclasses import asdict, replace
from typing import Any

from lxml import etree

from oz.build import Build
from oz.errors import GuestError
from oz.model import InstalledPackage, Manifest
from oz.progress import step
from oz.protocols import Shell
from oz.session import Image, command_limit_s, open_session

_NOT_XML = re.compile("[^\\t\\x20-\\x7e\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What XML cannot carry (XML 1.0, 2.2), line ends, and the control characters that it discourages."""


def list_packages(image: Image, build: Build) -> Manifest:
    """Boot the image and list its packages; the image stays bit for bit as it is."""
    with open_session(image, build) as session:
        return take_manifest(session.shell, build)


def take_manifest(shell: Shell, build: Build) -> Manifest:
    """The manifest of the guest behind `shell`. Raises GuestError with the command's own words."""
    plan = build.guest.plan_manifest(build.tdl)
    with step("List packages"):
        packages = build.guest.parse_packages(_output(shell, plan.command, build))
        if plan.extra_command:
            packages = _add_extra(packages, _output(shell, plan.extra_command, build), plan.extra_command)
    return Manifest(packages=packages, description=build.tdl.description)


def to_icicle(manifest: Manifest) -> str:
    """The manifest as ICICLE, the XML of image-building services: icicle(description?, packages(package(extra?)*)).

    In ASCII: it is the same in every encoding that a terminal or a file may have.
    """
    root = etree.Element("icicle")
    if manifest.description:
        etree.SubElement(root, "description").text = _NOT_XML.sub("", manifest.description)
    packages = etree.SubElement(root, "packages")
    for package in manifest.packages:
        element = etree.SubElement(packages, "package", name=_NOT_XML.sub("", package.name))
        if package.extra is not None:
            etree.SubElement(element, "extra").text = _NOT_XML.sub("", package.extra)
    return etree.tostring(root, pretty_print=True, encoding="us-ascii").decode("ascii")


def to_record(manifest: Manifest) -> dict[str, Any]:
    """The manifest for JSON: {"description", "packages": [{name, epoch, version, release, architecture, kind?,
    publisher?, extra?}]}."""
    packages = []
    for package in manifest.packages:
        packages.append({name: value for name, value in asdict(package).items() if value is not None})
    return {"description": manifest.description, "packages": packages}


def to_json(manifest: Manifest) -> str:
    return json.dumps(to_record(manifest), indent=1) + "\n"


def _output(shell: Shell, command: str, build: Build) -> str:
    ran = shell.run(command.encode(), timeout_s=command_limit_s(build), label="listing packages")
    if ran.status != 0:
        words = ran.stderr.decode(errors="replace").strip() or ran.stdout.decode(errors="replace").strip()
        raise GuestError(f"listing packages failed with status {ran.status}: {words[-2000:]}\n  command: {command}")
    return ran.stdout.decode(errors="replace")


def _add_extra(packages: tuple[InstalledPackage, ...], output: str, command: str) -> tuple[InstalledPackage, ...]:
    """Pair the extra command's lines with the packages, in their order; control characters are dropped."""
    lines = output.removesuffix("\n").split("\n") if output else []
    if len(lines) != len(packages):
        raise GuestError(
            f"the template's extra command printed {len(lines)} lines for {len(packages)} packages: {command}",
            hint="it must print one line for each package, in the order of the manifest",
        )
    return tuple(replace(package, extra=_NOT_XML.sub("", line)) for package, line in zip(packages, lines, strict=True))
