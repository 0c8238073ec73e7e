"""The four programs: arguments in, results on stdout, progress and errors on stderr, an exit status out."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from oz import arguments, process, results
from oz.errors import HostError, MediumError, OzError, TdlError, UnsupportedError, UsageError
from oz.process import write_result
from oz.progress import note, printable

if TYPE_CHECKING:
    from oz.build import Build, Options
    from oz.config import Config
    from oz.guests.base import Guest
    from oz.model import Installed, Manifest, Settings, Tdl
    from oz.session import Image


def main_install(argv: Sequence[str]) -> int:
    """oz-install."""
    return process.run(arguments.install_parser(), argv, _install)


def main_customize(argv: Sequence[str]) -> int:
    """oz-customize."""
    return process.run(arguments.customize_parser(), argv, _customize)


def main_manifest(argv: Sequence[str]) -> int:
    """oz-generate-manifest."""
    return process.run(arguments.manifest_parser(), argv, _manifest)


def main_cleanup(argv: Sequence[str]) -> int:
    """oz-cleanup-cache."""
    return process.run(arguments.cleanup_parser(), argv, _cleanup)


# ------------------------------------------------------------------ oz-install


def _install(args: argparse.Namespace) -> None:
    for option in ("check", "list_guests", "identify"):
        if getattr(args, option):
            arguments.check_no_build(args, f"--{option.replace('_', '-')}")
    if args.list_guests:
        return _list_guests(args)
    if args.identify:
        return _identify(args)
    if args.output and not args.dry_run:
        raise UsageError("--output goes with --dry-run", hint="give --dry-run as well, or -s for the image's path")
    arguments.check_manifest_options(args)
    if not args.tdl:
        raise UsageError("no template is named", hint="oz-install TDL; see oz-install --help")
    if args.check:
        return _check(args)
    if len(args.tdl) > 1:
        raise UsageError(f"{len(args.tdl)} templates are named, expected one", hint="only --check takes several")
    if args.stop_after and (args.customize or args.manifest or args.seal):
        raise UsageError("--stop-after goes without -u, -g and --seal", hint="run oz-customize on what it makes")
    if args.stop_after and args.report:
        raise UsageError("--report goes without --stop-after, which makes none", hint="leave one or the other out")
    if args.stop_after == "media" and args.xmlfile:
        raise UsageError("-x goes without --stop-after media, which makes no XML", hint="leave one or the other out")
    arguments.check_targets(args)
    config, tdl, guest = _load(args, args.tdl[0])
    _check_phases(tdl, guest, customize=args.customize, manifest=args.manifest, seal=args.seal)
    if args.dry_run:
        return _dry_run(args, config, tdl, guest)
    options, settings = _settle(args, config, tdl)
    from oz.account import keeping_failures, tell_success
    from oz.build import open_build
    from oz.install import install, names_of

    names = names_of(tdl, config, options)
    arguments.check_apart(
        [("the image", names.disk), ("the XML", names.xml), ("-i", args.manifest_file), ("--report", args.report)],
        [("the template", args.tdl[0]), ("the medium", _local_medium(tdl))],
    )
    if args.customize:
        from oz.customize import check_contents

        check_contents(guest.plan_customize(tdl))
    with (
        open_build(tdl, guest, config, settings, options, image=names.disk) as build,
        keeping_failures(build, names.directory, _typed()),
    ):
        installed = install(build, stop_after=args.stop_after)
        manifest = _finish(args, installed, build)
        if not args.stop_after:
            tell_success(build, names.directory, manifest, args.report)
    if args.stop_after:
        assert installed.machine.disk is not None
        path = str(installed.machine.disk.path)
        return results.put_result(args, {"path": path}, path)
    return _put_installed(args, installed, manifest, user=guest.user if guest.supports_customize else None)


def _finish(args: argparse.Namespace, installed: "Installed", build: "Build") -> "Manifest | None":
    """Customize, list and seal what was just installed, in one boot; the installed image stays if that fails."""
    if not (args.customize or args.manifest or args.seal):
        return None
    from oz.customize import customize
    from oz.session import Image

    assert installed.machine.disk is not None
    image = Image(machine=installed.machine, disk=installed.machine.disk, directory=installed.directory)
    try:
        return customize(image, build, change=args.customize, list_packages=args.manifest or args.seal, seal=args.seal)
    except OzError as error:
        error.hint = (error.hint + "\n  " if error.hint else "") + (
            f"the installed system is kept as it was before: {image.disk.path}; go on with oz-customize"
        )
        raise


def _check(args: argparse.Namespace) -> None:
    """One line on stderr for each error of each template; its guest must exist as well."""
    from oz import tdl as oz_tdl
    from oz.guests import guest_for
    from oz.model import Settings

    if args.config:
        _load_config(args)
    wrong = False
    for path in args.tdl:
        lines = list(oz_tdl.problems(path))
        if not lines:
            try:
                tdl = oz_tdl.load(path)
                guest = guest_for(tdl)
                guest.plan_media(tdl)
                virtual = tdl.virtual
                guest.check_template(tdl, Settings(firmware=virtual.firmware, machine_type=virtual.machine_type))
                guest.plan_customize(tdl)
            except OzError as error:
                lines = [f"{error.message}; {error.hint}" if error.hint else error.message]
        for line in lines:
            if args.json:
                process.tell_error("oz-install", line, TdlError.exit_status, as_json=True)
            else:
                print(printable(line), file=sys.stderr)
        wrong = wrong or bool(lines)
    if wrong:
        raise process.Told(TdlError.exit_status)
    if args.json:
        write_result(json.dumps({"checked": [str(path) for path in args.tdl]}) + "\n")


def _dry_run(args: argparse.Namespace, config: "Config", tdl: "Tdl", guest: "Guest") -> None:
    from oz import dryrun

    _, settings = _settle(args, config, tdl, probe=False)
    if args.output:
        made = dryrun.write_plan(args.output, tdl, guest, config, settings, force_media=args.force_media)
        paths = [str(path) for path in made]
        return results.put_result(args, {"files": paths}, "\n".join(paths))
    media, plan = dryrun.plan_dry(tdl, guest, settings, force_media=args.force_media)
    write_result(dryrun.plan_json(media, plan, guest.plan_customize(tdl)))
    return None


def _list_guests(args: argparse.Namespace) -> None:
    from oz import proofs
    from oz.guests import REFUSED, releases_of

    rows, proved = releases_of([str(name) for name in args.tdl]), proofs.load()
    refused = {} if args.tdl else REFUSED
    results.put_result(args, results.guest_records(rows, proved), results.guests_text(rows, proved, refused))


def _identify(args: argparse.Namespace) -> None:
    """A line for each medium; those that nobody knows are listed as well, and are an error at the end."""
    from oz import inspection

    if not args.tdl:
        raise UsageError("no medium is named", hint="oz-install --identify ISO...")
    findings = list(inspection.identify(args.tdl, os.environ, _home()))
    text = "\n".join(results.finding_text(finding) for finding in findings)
    results.put_result(args, [results.finding_record(finding) for finding in findings], text)
    lost = [finding for finding in findings if finding.verdict in ("unknown", "unreadable")]
    if lost:
        count = f"{len(lost)} of {len(findings)} media" if len(findings) > 1 else "the medium"
        raise MediumError(f"{count} could not be identified")


def _put_installed(
    args: argparse.Namespace, installed: "Installed", manifest: "Manifest | None", *, user: str | None
) -> None:
    record = results.installed_record(installed)
    written = results.keep_manifest(args, manifest, installed.directory)
    text = results.installed_text(installed, manifest=written, is_sealed=args.seal, user=user)
    results.put_with_manifest(args, record, text, manifest, written)


# ------------------------------------------------------------------ oz-customize, oz-generate-manifest


def _customize(args: argparse.Namespace) -> None:
    arguments.check_manifest_options(args)
    from oz.customize import customize

    with _open_image(args, customize=True, manifest=args.manifest) as (build, image):
        manifest = customize(image, build, list_packages=args.manifest or args.seal, seal=args.seal)
    written = results.keep_manifest(args, manifest, image.directory)
    results.put_with_manifest(args, {"image": str(image.disk.path)}, f"customized {image.disk.path}", manifest, written)


def _manifest(args: argparse.Namespace) -> None:
    args.manifest = True
    arguments.check_manifest_options(args)
    from oz.manifest import list_packages

    with _open_image(args, customize=False, manifest=True) as (build, image):
        manifest = list_packages(image, build)
    results.keep_manifest(args, manifest, image.directory)
    if args.manifest_file:
        if args.json:
            write_result(json.dumps({"manifest": str(args.manifest_file)}) + "\n")
    else:
        write_result(results.manifest_text(args, manifest))


@contextmanager
def _open_image(args: argparse.Namespace, *, customize: bool, manifest: bool) -> "Iterator[tuple[Build, Image]]":
    """The image that the arguments name, and the build that works on it."""
    config, tdl, guest = _load(args, args.tdl)
    _check_phases(tdl, guest, customize=customize, manifest=manifest, seal=customize and args.seal)
    from oz.account import keeping_failures
    from oz.build import open_build
    from oz.session import find_image

    # Before the host is probed for KVM, which takes a while and matters to the domain alone.
    image = find_image(args.image, tdl, guest, _settle(args, config, tdl, probe=False)[1])
    arguments.check_apart(
        [("-i", args.manifest_file)],
        [("the image's XML", args.image), ("the template", args.tdl), ("the image", image.disk.path)],
    )
    options, settings = _settle(args, config, tdl)
    with (
        open_build(tdl, guest, config, settings, options, image=image.disk.path) as build,
        keeping_failures(build, image.directory, _typed()),
    ):
        yield build, image


# ------------------------------------------------------------------ oz-cleanup-cache


def _cleanup(args: argparse.Namespace) -> None:
    from oz.host import cache
    from oz.units import format_size

    if args.json and not args.force:
        raise UsageError("--json asks nothing", hint="give -f as well")
    config = _load_config(args)
    if args.builds:
        return _cleanup_builds(args, config.data_dir / "builds")
    entries = cache.entries(config.data_dir)
    for entry in entries:
        state = ", in use" if entry.is_in_use else ""
        note(f"{entry.kind:<10}{format_size(entry.size_bytes):>12}  {entry.path}{state}")
    if not entries:
        return results.put_result(args, {"removed": [], "kept": []}, f"nothing is cached in {config.data_dir}")
    if not _agrees(args, f"Remove these {len(entries)} from {config.data_dir}?"):
        return results.put_result(args, {}, "nothing removed")
    removed, kept = [], []
    for entry in entries:
        try:
            cache.remove(config.data_dir, entry)
            removed.append(str(entry.path))
        except HostError as error:
            note(f"kept: {error.message}")
            kept.append(str(entry.path))
    text = f"removed {len(removed)} of {len(entries)}"
    return results.put_result(args, {"removed": removed, "kept": kept}, text)


def _cleanup_builds(args: argparse.Namespace, directory: Path) -> None:
    from oz.host import disk, journal

    remains = journal.list_remains(directory)
    for build in remains:
        state = f"running, process {build.pid}" if build.pid else "killed"
        fate = ", to be finished" if build.is_to_be_finished and not build.pid else ""
        note(f"{build.name}: {state}{fate}")
        for path in build.paths:
            note(f"  {path}")
    killed = [build.name for build in remains if not build.pid]
    kept = [build.name for build in remains if build.pid]
    if not killed:
        return results.put_result(args, {"removed": [], "kept": kept}, "no killed build has left anything")
    if not _agrees(args, f"Finish or remove what these {len(killed)} left?"):
        return results.put_result(args, {}, "nothing removed")
    removed = journal.recover(directory, commit=disk.commit)
    text = f"finished or removed what {len(removed)} of {len(killed)} killed builds had left"
    return results.put_result(args, {"removed": list(removed), "kept": kept}, text)


def _agrees(args: argparse.Namespace, question: str) -> bool:
    if args.force:
        return True
    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.buffer.readline().strip().lower() in (b"y", b"yes")


# ------------------------------------------------------------------ from arguments to records


def _load(args: argparse.Namespace, path: Path) -> "tuple[Config, Tdl, Guest]":
    from oz import tdl as oz_tdl
    from oz.guests import guest_for

    config = _load_config(args)
    tdl = oz_tdl.load(path)
    return config, tdl, guest_for(tdl)


def _load_config(args: argparse.Namespace) -> "Config":
    from oz import config as oz_config

    return oz_config.load(args.config, is_root=os.geteuid() == 0, home=_home())


def _local_medium(tdl: "Tdl") -> Path | None:
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(tdl.install_url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _settle(
    args: argparse.Namespace, config: "Config", tdl: "Tdl", *, probe: bool = True
) -> "tuple[Options, Settings]":
    from oz.build import Options, settle

    options = Options(
        disk_bus=getattr(args, "disk_bus", None),
        nic_model=getattr(args, "network_device", None),
        mac=args.mac_address,
        firmware=args.firmware,
        answer_file=getattr(args, "auto", None),
        install_limit_s=getattr(args, "timeout", None),
        force_download=getattr(args, "force_download", False),
        force_media=getattr(args, "force_media", False),
        replace=getattr(args, "cleanup", False),
        disk_path=getattr(args, "disk", None),
        xml_path=getattr(args, "xmlfile", None),
        keep_failed=getattr(args, "keep_failed", False),
        is_attended=sys.stdin.isatty(),
        ssh_key=getattr(args, "ssh_key", None),
    )
    return options, settle(config, tdl, options, probe=probe)


def _typed() -> list[str]:
    """The command, as it can be typed again."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _home() -> Path:
    """The user's home directory. Raises HostError where neither HOME nor the user database tells one."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise HostError("this user has no home directory", hint="set HOME to a directory you may write to") from error


def _check_phases(
    tdl: "Tdl", guest: "Guest", *, customize: bool = False, manifest: bool = False, seal: bool = False
) -> None:
    """Refuse, before anything is fetched, what the guest's system cannot have done to it."""
    title = f"{tdl.where('os/name')}: {tdl.distro} {tdl.version}"
    if customize and not guest.supports_customize:
        raise UnsupportedError(f"{title} cannot be customized: it has no ssh")
    if seal and guest.why_unsealed:
        raise UnsupportedError(f"{title} cannot be sealed: {guest.why_unsealed}", hint="leave --seal out")
    if manifest and not guest.supports_manifest:
        raise UnsupportedError(f"{tdl.where('os/name')}: the packages of {tdl.distro} {tdl.version} cannot be listed")
