"""pacman, Arch Linux's."""

import shlex
from dataclasses import replace

from oz.errors import GuestError
from oz.guests.packages.manager import CommandLine, PackageManager, check_open, repository_of, run
from oz.model import Action, Content, InstalledPackage, PutFile, Repository, Tdl

_CONF = "/etc/pacman.conf"


def _file(name: str) -> str:
    return f"/etc/pacman.d/oz-{name}.conf"


def _key(name: str) -> str:
    return f"/etc/pacman.d/oz-{name}.key"


def _add(tdl: Tdl, repository: Repository, codename: str) -> tuple[Action, ...]:
    check_open(tdl, repository, "pacman")
    name = repository.name
    # Packages' signatures; pacman.conf(5). A database is rarely signed, Arch's own are not.
    level = "Required DatabaseOptional" if repository.signed else "Never"
    text = f"[{name}]\nSigLevel = {level}\nServer = {repository.url}\n"
    actions: list[Action] = [PutFile(path=_file(name), content=Content(data=text.encode()))]
    script = ["set -e"]
    if repository.key is not None:
        actions.append(PutFile(path=_key(name), content=repository.key))
        script += [
            f"pacman-key --add {_key(name)}",
            f"gpg --show-keys --with-colons {_key(name)} | sed -n '/^pub/{{n;s/^[a-z]*:*//;s/:.*//;p;}}' |",
            '    while read -r id; do pacman-key --lsign-key "$id" </dev/null; done',
        ]
    script += [f"printf '%s\\n' {shlex.quote(_include(name))} >>{_CONF}", "pacman -Sy --noconfirm"]
    return (*actions, run(f"read repository {name}", "\n".join(script)))


def _include(name: str) -> str:
    return f"Include = {_file(name)}"


def _remove(repository: Repository) -> Action:
    name = repository.name
    script = (
        f"grep -vxF {shlex.quote(_include(name))} {_CONF} >{_CONF}.oz\n"
        f"cat {_CONF}.oz >{_CONF}\n"
        f"rm -f {_CONF}.oz {_file(name)} {_key(name)} /var/lib/pacman/sync/{name}.db*"
    )
    return run(f"remove repository {name}", script)


_COMMANDS = CommandLine(
    # Never -Sy alone with -S: a part of a system upgraded is one that Arch does not support.
    install_command="pacman -S --noconfirm --needed {options}",
    only_from="",
    refresh_command="pacman -Syu --noconfirm",
    clean_command="pacman -Scc --noconfirm",
)


def _install(tdl: Tdl) -> tuple[Action, ...]:
    """pacman is told a repository in front of a package's name."""
    packages = tuple(
        replace(one, name=f"{repository_of(tdl, one).name}/{one.name}", repository=None) if one.repository else one
        for one in tdl.packages
    )
    return _COMMANDS.install(replace(tdl, packages=packages))


def _parse(text: str) -> tuple[InstalledPackage, ...]:
    """Read lines such as "glibc 2.41+r9-1" and "grub 2:2.12-3"."""
    found = []
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        version, dash, release = rest.rpartition("-")
        if not name or not dash:
            raise GuestError(f"the list of packages has a line that is none: {line[:80]!r}")
        epoch, _, version = version.rpartition(":")
        found.append(InstalledPackage(name=name, version=version, release=release, epoch=epoch))
    return tuple(found)


MANAGERS = {
    "pacman": PackageManager(
        add_repository=_add,
        remove_repository=_remove,
        install=_install,
        list_command="pacman -Q",
        parse=_parse,
    )
}
