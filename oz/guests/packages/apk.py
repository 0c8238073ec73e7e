"""apk, Alpine's."""

import posixpath
import re
import shlex
from urllib.parse import urlsplit

from oz.errors import GuestError
from oz.guests.packages.manager import CommandLine, PackageManager, check_open, check_url, refuse_repository, run
from oz.model import Action, Content, InstalledPackage, PutFile, Repository, Tdl

_LIST = "/etc/apk/repositories"
_KEYS = "/etc/apk/keys"


def _file(name: str) -> str:
    return f"/etc/apk/oz-{name}"


def _key(repository: Repository) -> str:
    """apk looks for a key by the name that the signature gives: the file's, where the key is one of a server's."""
    url = repository.key.url if repository.key and repository.key.url else ""
    name = posixpath.basename(urlsplit(url).path)
    return f"{_KEYS}/{name if name.endswith('.pub') else f'{repository.name}.rsa.pub'}"


def _add(tdl: Tdl, repository: Repository, codename: str) -> tuple[Action, ...]:
    check_url(tdl, repository)
    if not repository.signed:
        reason = "apk takes no unsigned repository without leaving all others unchecked"
        refuse_repository(tdl, repository, reason, "sign it (abuild-sign), and give its <key>")
    check_open(tdl, repository, "apk")
    name = repository.name
    actions: list[Action] = []
    if repository.key is not None:
        actions.append(PutFile(path=_key(repository), content=repository.key))
    actions.append(PutFile(path=_file(name), content=Content(data=f"{repository.url}\n".encode())))
    script = f"set -e\ncat {_file(name)} >>{_LIST}\napk update --repositories-file {_file(name)}"
    return (*actions, run(f"read repository {name}", script))


def _remove(repository: Repository) -> Action:
    name, key = repository.name, f" {shlex.quote(_key(repository))}" if repository.key else ""
    # grep finds nothing else where the list has no other line.
    script = (
        f"grep -vxF -f {_file(name)} {_LIST} >{_file(name)}.rest || :\n"
        f"cat {_file(name)}.rest >{_LIST}\n"
        f"rm -f {_file(name)} {_file(name)}.rest{key}"
    )
    return run(f"remove repository {name}", script)


def _parse(text: str) -> tuple[InstalledPackage, ...]:
    """Read lines such as "musl-1.2.5-r9 x86_64 {musl} (MIT) [installed]"."""
    found = []
    for line in text.splitlines():
        parts = re.match(r"(\S+)-(\d[^\s-]*)(?:-r(\d+))? (\S+) \{", line)
        if parts is None:
            raise GuestError(f"the list of packages has a line that is none: {line[:80]!r}")
        name, version, revision, architecture = parts.groups()
        found.append(InstalledPackage(name=name, version=version, release=revision or "", architecture=architecture))
    return tuple(found)


MANAGERS = {
    "apk": PackageManager(
        add_repository=_add,
        remove_repository=_remove,
        install=CommandLine(
            install_command="apk add {options}",
            only_from="--repositories-file /etc/apk/oz-{name}",
            clean_command="rm -rf /var/cache/apk/*",
            refresh_command="apk update",
        ).install,
        list_command="apk list --installed",
        parse=_parse,
    )
}
