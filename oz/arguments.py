"""The command lines of the four programs; docs/options.md describes the same options at more length."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from oz import __version__
from oz.errors import UsageError

STATUSES = """exit status: 0 done, 1 a bug in Oz, 2 usage or template, 3 oz.cfg, 4 unsupported guest, 5 medium,
6 a command in the guest, 7 the installation failed, 8 this host, 130 or 143 interrupted"""


class Parser(argparse.ArgumentParser):
    """Options and templates in any order; what is wrong is a UsageError with the nearest option."""

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """The arguments. Raises UsageError, and SystemExit when all that was wanted is --help or --version."""
        # parse_intermixed_args lets options stand between templates, but does not know "--".
        return self.parse_args(argv) if "--" in argv else self.parse_intermixed_args(argv)

    def error(self, message: str) -> NoReturn:
        hint = f"see {self.prog} --help"
        wrong = re.search(r"unrecognized arguments: (-\S+)", message)
        if wrong:
            import difflib

            known = sorted(set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", self.format_help())))
            near = difflib.get_close_matches(wrong[1].partition("=")[0], known, n=1)
            hint = f"did you mean {near[0]}? {hint}" if near else hint
        raise UsageError(message, hint=hint)


class _Completion(argparse.Action):
    """Prints what a shell reads to complete the command lines of all programs, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, *words: object) -> NoReturn:
        from oz.completion import bash_script

        sys.stdout.write(bash_script({name: make() for name, make in PARSERS.items()}))
        parser.exit()


_NAME_BYTES_MAX = 200
"""Of the 255 that a file system allows: half-made files have longer names than finished ones."""


def install_parser() -> Parser:
    parser = _parser("oz-install", "Install a guest operating system, unattended, from a template (TDL).")
    parser.add_argument(
        "tdl",
        nargs="*",
        type=_path,
        metavar="TDL",
        help="the template; several with --check, media with --identify, names of systems with --list-guests",
    )
    what = parser.add_argument_group("what is made")
    what.add_argument("-a", "--auto", type=_path, metavar="FILE", help="use this answer file template instead of ours")
    what.add_argument(
        "-b",
        "--disk-bus",
        metavar="BUS",
        choices=("virtio", "ide", "sata", "scsi"),
        help="disk bus: virtio, ide, sata, scsi",
    )
    what.add_argument(
        "-n", "--network-device", metavar="MODEL", type=_model, help="network card: virtio, e1000, rtl8139, ..."
    )
    what.add_argument("-m", "--mac-address", metavar="MAC", type=_mac, help="MAC address, as 52:54:00:12:34:56")
    what.add_argument("--firmware", choices=("bios", "efi"), help="firmware of the machine")
    what.add_argument("-s", "--disk", type=_absolute, metavar="PATH", help="the image's path, absolute")
    what.add_argument("-x", "--xmlfile", type=_path, metavar="FILE", help="the libvirt XML's path")
    what.add_argument("-p", "--cleanup", action="store_true", help="replace an earlier build of the same name")
    then = parser.add_argument_group("what is done after the installation")
    then.add_argument("-u", "--customize", action="store_true", help="customize the installed system")
    _add_manifest_options(then, needs_g=True)
    then.add_argument("--seal", action="store_true", help="remove our key, host keys, logs and identity at the end")
    how = parser.add_argument_group("how it is done")
    how.add_argument("-t", "--timeout", type=_seconds, metavar="SECONDS", help="limit of the installation, literally")
    how.add_argument("-f", "--force-download", action="store_true", help="use no cached medium, no cached installation")
    how.add_argument("--force-media", action="store_true", help="use a medium that is not what the template names")
    how.add_argument("--report", type=_path, metavar="FILE", help="write the report there too, one page of HTML")
    how.add_argument("--keep-failed", action="store_true", help="keep disk and logs of a failed build as NAME.failed")
    less = parser.add_argument_group("less than an installation").add_mutually_exclusive_group()
    less.add_argument("--check", action="store_true", help="parse and validate templates, nothing else")
    less.add_argument("--dry-run", action="store_true", help="plan only: nothing is downloaded or started")
    less.add_argument(
        "--stop-after", choices=("media", "disk", "install"), help="stop there, print the path of what was made"
    )
    less.add_argument("--list-guests", action="store_true", help="list every release that can be installed")
    less.add_argument("--identify", action="store_true", help="say which system each medium (ISO...) holds")
    parser.add_argument("--output", type=_path, metavar="DIR", help="with --dry-run: write the plan's files there")
    parser.add_argument(
        "--completion", action=_Completion, choices=("bash",), help="print the completion of all programs for a shell"
    )
    return parser


def customize_parser() -> Parser:
    parser = _parser("oz-customize", "Customize an installed image by the packages, files and commands of a template.")
    _add_image_arguments(parser)
    parser.add_argument("--seal", action="store_true", help="remove our key, host keys, logs and identity at the end")
    _add_manifest_options(parser.add_argument_group("manifest"), needs_g=True)
    return parser


def manifest_parser() -> Parser:
    parser = _parser("oz-generate-manifest", "List the packages of an installed image, which stays as it is.")
    _add_image_arguments(parser)
    _add_manifest_options(parser, needs_g=False)
    return parser


def cleanup_parser() -> Parser:
    parser = _parser("oz-cleanup-cache", "Remove cached media and installations that no build is using.")
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    parser.add_argument(
        "--builds", action="store_true", help="instead of the cache, what killed builds left: finish it or remove it"
    )
    return parser


PARSERS = {
    "oz-install": install_parser,
    "oz-customize": customize_parser,
    "oz-generate-manifest": manifest_parser,
    "oz-cleanup-cache": cleanup_parser,
}


def check_manifest_options(args: argparse.Namespace) -> None:
    """Refuse -i and --format without a manifest, and a file that cannot be written. Raises UsageError."""
    if args.manifest_file and not args.manifest:
        raise UsageError("-i goes with -g", hint="give -g as well to list the packages")
    if args.format and not (args.manifest or args.seal):
        raise UsageError("--format goes with -g or --seal", hint="give -g as well to list the packages")
    if args.json and args.format == "icicle" and not args.manifest_file:
        raise UsageError("--json prints one JSON document, which ICICLE is not", hint="give -i FILE as well")
    if args.manifest_file:
        _check_target(args.manifest_file, "-i")


_OF_A_BUILD = {
    "auto": "-a", "disk": "-s", "xmlfile": "-x", "cleanup": "-p", "customize": "-u", "manifest": "-g", "seal": "--seal",
    "timeout": "-t", "force_download": "-f", "keep_failed": "--keep-failed", "report": "--report",
    "disk_bus": "-b", "network_device": "-n", "mac_address": "-m", "firmware": "--firmware",
    "force_media": "--force-media",
}  # fmt: skip


def check_no_build(args: argparse.Namespace, option: str) -> None:
    """Refuse what would have no effect with an option that builds nothing. Raises UsageError."""
    given = [name for dest, name in _OF_A_BUILD.items() if getattr(args, dest)]
    if given:
        raise UsageError(f"{', '.join(given)} would have no effect with {option}", hint="leave one or the other out")


def check_apart(written: Sequence[tuple[str, Path | None]], read: Sequence[tuple[str, Path | None]]) -> None:
    """Refuse a file that would be written over another that is written or read. Raises UsageError."""
    taken = {path.resolve(): name for name, path in read if path}
    for name, path in written:
        if path is None:
            continue
        other = taken.setdefault(path.resolve(), name)
        if other != name:
            raise UsageError(f"{name} {path} would replace {other}", hint="name another file")


def check_targets(args: argparse.Namespace) -> None:
    """Refuse at once what would otherwise fail, or be replaced, when the installation is done."""
    if args.xmlfile:
        _check_target(args.xmlfile, "-x")
    if args.report:
        _check_target(args.report, "--report")
    if args.disk:
        _check_name(args.disk, "-s")
        if _is_directory(args.disk):
            raise UsageError(f"-s {args.disk} is a directory", hint="name the file that the disk becomes")
        if args.disk.suffix == ".oz" or args.disk == (args.xmlfile or args.disk.with_suffix(".xml")).absolute():
            raise UsageError(
                f"-s {args.disk} has the name of what lies beside the disk", hint="name it NAME.dsk or NAME.qcow2"
            )


def _check_target(path: Path, option: str) -> None:
    _check_name(path, option)
    if path.suffix == ".oz":
        raise UsageError(f"{option} {path} has the name of a directory of Oz's", hint="name it otherwise than NAME.oz")
    if _is_directory(path):
        raise UsageError(f"{option} {path} is a directory", hint="name a file")
    if path.absolute().parent.suffix == ".oz":
        raise UsageError(
            f"{option} {path} is in {path.parent.name}, which Oz replaces as a whole", hint="name a file elsewhere"
        )
    if not _is_directory(path.parent):
        raise UsageError(f"{option} {path}: there is no directory {path.parent}", hint="make it first")
    if not (os.access(path, os.W_OK) or (not os.access(path, os.F_OK) and os.access(path.parent, os.W_OK))):
        raise UsageError(f"{option} {path} cannot be written", hint="name a file in a directory of yours")


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # what may not be looked at; Python 3.14 says no by itself
        return False


def _check_name(path: Path, option: str) -> None:
    if len(os.fsencode(path.name)) > _NAME_BYTES_MAX:
        raise UsageError(f"{option} {path}: the name is longer than {_NAME_BYTES_MAX} bytes", hint="shorten it")


def _parser(name: str, description: str) -> Parser:
    # Abbreviated options would break scripts on the day another option begins alike.
    parser = Parser(prog=name, description=description, epilog=STATUSES, allow_abbrev=False)
    parser.add_argument("-c", "--config", type=_path, metavar="FILE", help="oz.cfg to use")
    parser.add_argument(
        "-d",
        "--debug",
        type=_level,
        default=1,
        metavar="0-4",
        help="log level: errors, warnings (default), info, debug, debug with origin",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.add_argument("--json", action="store_true", help="events as JSON lines on stderr, result as JSON on stdout")
    parser.add_argument("--version", action="version", version=f"{name} {__version__}")
    return parser


def _add_image_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tdl", type=_path, metavar="TDL", help="the template")
    parser.add_argument(
        "image", type=_path, metavar="IMAGE-OR-XML", help="the libvirt XML of the image, or the disk itself"
    )
    parser.add_argument("--ssh-key", type=_path, metavar="FILE", help="private key that opens an image made elsewhere")
    parser.add_argument("-m", "--mac-address", metavar="MAC", type=_mac, help="MAC address while it runs")
    parser.add_argument("--firmware", choices=("bios", "efi"), help="firmware, for a bare disk image")


def _add_manifest_options(group: Any, *, needs_g: bool) -> None:
    if needs_g:
        group.add_argument(
            "-g",
            "--generate-icicle",
            "--generate-manifest",
            dest="manifest",
            action="store_true",
            help="list the packages at the end",
        )
    group.add_argument(
        "-i",
        "--icicle",
        "--manifest",
        dest="manifest_file",
        type=_path,
        metavar="FILE",
        help="write the manifest there instead of to stdout",
    )
    group.add_argument(
        "--format", choices=("icicle", "json"), help="the manifest's format: icicle, or json, which is --json's default"
    )


def _mac(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", text.lower()) or not text.strip("0:"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a unicast MAC address; write it as 52:54:00:12:34:56")
    return text.lower()


def _model(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a network card's model, such as virtio or e1000")
    return text


def _level(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a log level from 0 to 4")
    return min(int(text), 4)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, such as 3600")
    return value


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("'' names no file")
    return Path(text)


def _absolute(text: str) -> Path:
    if not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} is not an absolute path")
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} holds a character that no libvirt XML can name a disk with")
    return Path(text)
