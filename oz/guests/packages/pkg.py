"""pkg, FreeBSD's."""

import json
import re

from oz.errors import GuestError
from oz.guests.packages.manager import CommandLine, PackageManager, check_open, refuse_repository, run
from oz.model import Action, Content, InstalledPackage, PutFile, Repository, Tdl

# It fetches itself, at its first use, without a question (pkg(7)).
_PKG = "env ASSUME_ALWAYS_YES=yes pkg"
_DIRECTORY = "/usr/local/etc/pkg"


def _key(name: str) -> str:
    return f"{_DIRECTORY}/keys/oz-{name}"


def _add(tdl: Tdl, repository: Repository, codename: str) -> tuple[Action, ...]:
    """A file of pkg.conf(5)'s, as the JSON that UCL takes: of several files about one name the last one counts, so a
    repository called FreeBSD is in the place of the system's own."""
    check_open(tdl, repository, "pkg")
    if "$$" in repository.url:
        # ${ABI} and its like are meant as variables (pkg.conf(5)); two are one (libucl, ucl_check_variable).
        refuse_repository(tdl, repository, "pkg makes one $ of two", "write %24 for each")
    options: dict[str, object] = {"url": repository.url, "enabled": True, "mirror_type": "none"}
    actions: list[Action] = []
    if not repository.signed:
        options["signature_type"] = "none"
    elif repository.key is None:
        # Those of the distribution.
        options |= {"signature_type": "fingerprints", "fingerprints": "/usr/share/keys/pkg"}
    else:
        options |= {"signature_type": "pubkey", "pubkey": _key(repository.name)}
        actions.append(PutFile(path=_key(repository.name), content=repository.key))
    name = repository.name
    text = json.dumps({name: options}, indent=2, ensure_ascii=False)
    actions.append(PutFile(path=_file(name), content=Content(data=f"{text}\n".encode())))
    return (*actions, run(f"read repository {name}", f"{_PKG} update -f -r {name}"))


def _file(name: str) -> str:
    return f"{_DIRECTORY}/repos/{name}.conf"


def _remove(repository: Repository) -> Action:
    name = repository.name
    return run(f"remove repository {name}", f"rm -f {_file(name)} {_key(name)} /var/db/pkg/repo-{name}.sqlite")


def _parse(text: str) -> tuple[InstalledPackage, ...]:
    """Read lines of name, version and architecture; a version is "2.1.3_4,1", with revision and epoch."""
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 3 or not fields[0]:
            raise GuestError(f"the list of packages has a line that is none: {line[:80]!r}")
        version = re.fullmatch(r"(.*?)(?:_(\d+))?(?:,(\d+))?", fields[1])
        assert version is not None
        found.append(
            InstalledPackage(
                name=fields[0],
                version=version[1],
                release=version[2] or "",
                epoch=version[3] or "",
                architecture=fields[2],
            )
        )
    return tuple(found)


MANAGERS = {
    "pkg": PackageManager(
        add_repository=_add,
        remove_repository=_remove,
        install=CommandLine(
            install_command=f"{_PKG} install -y {{options}}",
            only_from="-r {name}",
            clean_command=f"{_PKG} clean -a -q",
        ).install,
        # Without pkg there is no package (pkg(7), -N); the system itself is none, unless it was installed as such.
        list_command=(
            'printf \'FreeBSD\\t%s\\t%s\\n\' "$(freebsd-version)" "$(uname -m)"\n'
            "if pkg -N >/dev/null 2>&1; then pkg query '%n\\t%v\\t%q'; fi"
        ),
        parse=_parse,
    )
}
