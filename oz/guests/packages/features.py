"""What Windows is extended by: servers' roles, optional features, capabilities; listed with programs and hotfixes."""

import json

from oz.errors import GuestError, TdlError
from oz.guests.packages.manager import PackageManager, refuse_repository, run, where_package
from oz.model import Action, InstalledPackage, Repository, Tdl
from oz.render import render

_KINDS = ("system", "program", "feature", "hotfix")
_FIELDS = ("kind", "name", "version", "architecture", "publisher")


def _refuse(tdl: Tdl, repository: Repository, codename: str) -> tuple[Action, ...]:
    reason = "Windows has none: features come with it, or from Windows Update"
    refuse_repository(tdl, repository, reason, "remove it, and fetch programs in a <command>")


def _keep(repository: Repository) -> Action:
    raise AssertionError("there are no repositories")


def _install(tdl: Tdl) -> tuple[Action, ...]:
    for package in tdl.packages:
        if package.arguments is not None:
            raise TdlError(
                f"{where_package(tdl, package)}: package {package.name}: Windows features take no arguments",
                hint="remove them, or install it in a <command>",
            )
    if not tdl.packages:
        return ()
    return (run("install features", render("windows/add-features.ps1", names=[one.name for one in tdl.packages])),)


def _parse(text: str) -> tuple[InstalledPackage, ...]:
    """Read a JSON list of objects, whose fields are all strings."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GuestError(f"the list of what is installed is no JSON: {text[:80]!r}") from error
    if not isinstance(rows, list):
        raise GuestError(f"the list of what is installed is none: {text[:80]!r}")
    return tuple(_parse_row(row) for row in rows)


def _parse_row(row: object) -> InstalledPackage:
    values = [row.get(field) if isinstance(row, dict) else None for field in _FIELDS]
    strings = [value for value in values if isinstance(value, str)]
    if len(strings) < len(_FIELDS) or strings[0] not in _KINDS or not strings[1]:
        raise GuestError(f"the list of what is installed has a row that is none: {str(row)[:80]!r}")
    kind, name, version, architecture, publisher = strings
    return InstalledPackage(kind=kind, name=name, version=version, architecture=architecture, publisher=publisher)


MANAGERS = {
    "windows": PackageManager(
        add_repository=_refuse,
        remove_repository=_keep,
        install=_install,
        list_command=render("windows/list-installed.ps1"),
        parse=_parse,
    )
}
