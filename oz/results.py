"""What a program hands back: as text for people, as records for JSON, and the manifest's files."""

import argparse
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oz.errors import HostError
from oz.process import write_result
from oz.progress import printable
from oz.proofs import best

if TYPE_CHECKING:
    from oz.guests import ReleaseRow
    from oz.inspection import Finding
    from oz.model import Installed, Manifest, OsinfoSystem
    from oz.proofs import Proof

_GUESTS_HEAD: tuple[str, ...] = (
    *("SYSTEM", "VERSION", "ARCHITECTURES", "FROM", "PHASES", "PROOF", "END OF LIFE", "OTHER NAMES"),
)
SSH_PORT = 2222


def installed_text(installed: "Installed", *, manifest: Path | None, is_sealed: bool, user: str | None) -> str:
    """Where everything is, and how to boot it and to log in: by ssh as `user`, or where that is None on its screen."""
    from oz.handoff import VNC_SCREEN, qemu_command, ssh_command

    machine, directory = installed.machine, installed.directory
    assert machine.disk is not None
    minutes, seconds = divmod(round(installed.seconds), 60)
    lines = [
        f"Installed {machine.name} in {minutes} min {seconds} s",
        f"  image     {machine.disk.path}",
        f"  XML       {installed.xml}",
    ]
    if manifest:
        lines.append(f"  manifest  {manifest}")
    secrets = "" if is_sealed else "keys, " if user else "password, "
    lines.append(f"  beside    {directory} ({secrets}plan, console log)")
    by_xml = f"virsh define {shlex.quote(str(installed.xml))} && virsh start --domain {shlex.quote(machine.name)}"
    if machine.hardware.firmware == "efi":
        return "\n".join([*lines, f"  boot it   {by_xml}"])
    lines.append(f"  boot it   {shlex.join(qemu_command(machine, ssh_port=SSH_PORT if user else None))}")
    lines.append(f"     or     {by_xml}")
    if user is None:
        where = shlex.quote(str(directory / "access.json"))
        lines.append(f"  enter it  vncviewer {VNC_SCREEN}, or virt-viewer {shlex.quote(machine.name)}: it has no ssh")
        lines.append(f"  password  the administrator's is root_password in {where}")
    elif not is_sealed:
        lines.append(f"  enter it  {shlex.join(ssh_command(directory, port=SSH_PORT, user=user))}")
    return "\n".join(lines)


def installed_record(installed: "Installed") -> dict[str, Any]:
    machine = installed.machine
    assert machine.disk is not None
    return {
        "name": machine.name,
        "image": str(machine.disk.path),
        "format": machine.disk.format,
        "xml": str(installed.xml),
        "directory": str(installed.directory),
        "seconds": round(installed.seconds, 1),
    }


def guests_text(rows: Sequence["ReleaseRow"], proved: Sequence["Proof"], refused: Mapping[str, str]) -> str:
    """A table: every release, what it can be installed on and from, what can be done with it, and how far that is
    proved; below it the systems that are refused, each with its reason."""
    table = [_GUESTS_HEAD]
    for row in rows:
        lists = (", ".join(words) for words in (row.arches, row.install_types, row.phases))
        proof = best(_of_release(row, proved)) or "-"
        ends = "-" if row.end_of_life.startswith("9999") else row.end_of_life
        table.append((row.distro, _versions(row), *lists, proof, ends, ", ".join(row.aliases)))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in table)
    reasons = (f"{name} cannot be installed unattended: {reason}" for name, reason in refused.items())
    return "\n".join((*(line.rstrip() for line in lines), *reasons))


def _versions(row: "ReleaseRow") -> str:
    """ "8.04[.1-4]", if there are point releases."""
    count = len(row.point_releases)
    return row.version + (f"[.1-{count}]" if count > 1 else "[.1]" if count else "")


def guest_records(rows: Sequence["ReleaseRow"], proved: Sequence["Proof"]) -> list[dict[str, Any]]:
    return [
        {
            "distro": row.distro,
            "version": row.version,
            "point_releases": list(row.point_releases),
            "aliases": list(row.aliases),
            "arches": list(row.arches),
            "install_types": list(row.install_types),
            "phases": list(row.phases),
            "proof": best(_of_release(row, proved)),
            "proofs": [
                {
                    "arch": proof.arch,
                    "install_type": proof.install_type,
                    "firmware": proof.firmware,
                    "proof": proof.kind,
                    "test": proof.test,
                }
                for proof in _of_release(row, proved)
            ],
            "end_of_life": row.end_of_life,
        }
        for row in rows
    ]


def _of_release(row: "ReleaseRow", proved: Sequence["Proof"]) -> list["Proof"]:
    return [proof for proof in proved if (proof.distro, proof.version) == (row.distro, row.version)]


def finding_text(finding: "Finding") -> str:
    """One line: what the medium is, how sure that is, by whom, and which editions it has; else what was found on it."""
    from oz.inspection import describe

    medium, path = finding.medium, finding.path
    if medium is None:
        return str(finding.error.message if finding.error else path)
    if finding.verdict == "unknown":
        told = {
            "volume id": medium.volume_id,
            "system id": medium.system_id,
            "publisher": medium.publisher_id,
            "application": medium.application_id,
        }
        words = ", ".join(f"{name} {value!r}" for name, value in told.items() if value) or "it says nothing of itself"
        return f"{path}: unknown: {words}"
    named = [describe(identity) for identity in finding.identities]
    systems = [_osinfo_words(system) for system in finding.systems or ()]
    by = {
        "agreed": "Oz's table and osinfo-db agree",
        "by-table": "by Oz's table; "
        + ("there is no osinfo-db here" if finding.systems is None else "osinfo-db does not know it"),
        "by-osinfo": "by osinfo-db; Oz's table does not know it",
        "disputed": f"by Oz's table; osinfo-db says {' or '.join(systems)}",
    }[finding.verdict]
    sure = "sure" if finding.is_sure else "not sure"
    editions = ", ".join(f"{one.index} {one.name} ({one.edition_id})" for one in medium.editions)
    holds = f"; editions: {printable(editions)}" if editions else ""
    return f"{path}: {' or '.join(named or systems)}, {sure}: {by}{holds}"


def _osinfo_words(system: "OsinfoSystem") -> str:
    arch = f" for {system.arch}" if system.arch else ""
    return f"{system.name}{arch}{' (live)' if system.is_live else ''}"


def finding_record(finding: "Finding") -> dict[str, Any]:
    medium = finding.medium
    return {
        "path": str(finding.path),
        "verdict": finding.verdict,
        "sure": finding.is_sure,
        "systems": [asdict(identity) for identity in finding.identities],
        "osinfo": None if finding.systems is None else [asdict(system) for system in finding.systems],
        "medium": medium
        and {
            "volume_id": medium.volume_id,
            "system_id": medium.system_id,
            "publisher_id": medium.publisher_id,
            "application_id": medium.application_id,
            "volume_size_bytes": medium.volume_size_bytes,
            "editions": [asdict(edition) for edition in medium.editions],
        },
        "error": finding.error.message if finding.error else None,
    }


# ------------------------------------------------------------------ handing it over


def put_result(args: argparse.Namespace, record: Any, text: str) -> None:
    """One of the two on stdout. Raises HostError."""
    write_result((json.dumps(record) if args.json else text) + "\n")


def put_with_manifest(
    args: argparse.Namespace, record: dict[str, Any], text: str, manifest: "Manifest | None", written: Path | None
) -> None:
    """The result, and the manifest where no file was named for it: then the text is for people, on stderr."""
    from oz.manifest import to_record

    is_here = bool(manifest and args.manifest and not args.manifest_file)
    if args.json:
        record["manifest"] = str(written) if written else None
        if manifest and is_here:
            record["packages"] = to_record(manifest)["packages"]
        write_result(json.dumps(record) + "\n")
    elif manifest and is_here:
        write_result(manifest_text(args, manifest))
        if not args.quiet:
            sys.stderr.write(text + "\n")
    else:
        write_result(text + "\n")


def _manifest_format(args: argparse.Namespace) -> str:
    return str(args.format or ("json" if args.json else "icicle"))


def manifest_text(args: argparse.Namespace, manifest: "Manifest") -> str:
    """The manifest in the format that was asked for."""
    from oz.manifest import to_icicle, to_json

    return to_json(manifest) if _manifest_format(args) == "json" else to_icicle(manifest)


def keep_manifest(args: argparse.Namespace, manifest: "Manifest | None", directory: Path) -> Path | None:
    """Write the manifest beside the image, and where the user said: that file, else the one beside."""
    if manifest is None:
        return None
    text = manifest_text(args, manifest)
    kept = None
    if directory.is_dir():
        kept = directory / ("manifest.json" if _manifest_format(args) == "json" else "manifest.xml")
        _write_file(kept, text)
    if args.manifest_file:
        _write_file(args.manifest_file, text)
        return Path(args.manifest_file)
    return kept


def _write_file(path: Path, text: str) -> None:
    """Write a file, all or nothing unless it is a device. Raises HostError."""
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".oz-", encoding="utf-8", delete=False) as file:
            part = Path(file.name)
            try:
                file.write(text)
                os.fchmod(file.fileno(), 0o644)
                file.close()
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise HostError(f"the manifest cannot be written to {path}: {error.strerror}") from error
