"""rpm alone, as Red Hat Linux and RHEL 2.1 have it: it knows no repositories and looks for no dependencies.

A template names the packages' files, all that are needed, each with its repository. This host fetches them, because
those systems have no program for it that reads today's servers, and puts them into the guest.
"""

import posixpath
import shlex
from urllib.parse import quote, urlsplit

from oz.errors import TdlError
from oz.guests.packages import rpmdb
from oz.guests.packages.manager import (
    PackageManager,
    check_url,
    refuse_repository,
    repository_of,
    run,
    take_login,
    where_package,
)
from oz.model import Action, Content, Package, PutFile, Repository, Tdl

_DIRECTORY = "/var/tmp/oz-packages"
_DISTRIBUTION_KEYS = "/usr/share/rhn/RPM-GPG-KEY* /usr/share/doc/rpm-*/RPM-GPG-KEY*"


def _add(tdl: Tdl, repository: Repository, codename: str) -> tuple[Action, ...]:
    """Nothing is added to the system; a key is for the packages that the template takes from its repository."""
    check_url(tdl, repository)
    if urlsplit(repository.url).scheme == "file":
        reason = "it is in the guest's files, and this host fetches its packages"
        refuse_repository(tdl, repository, reason, "serve it by http")
    if not repository.sslverify:
        reason = "this host fetches its packages, and always looks at a server's certificate"
        refuse_repository(tdl, repository, reason, "use http: signatures are checked")
    take_login(tdl, repository, repository.url, "this host")
    name, key = repository.name, repository.key
    actions: list[Action] = []
    if key is not None:
        actions.append(PutFile(path=_key(name), content=key))
    if repository.signed:
        actions.append(run(f"keep the key of {name}", _keep_keys(repository)))
    return tuple(actions)


def _key(name: str) -> str:
    return f"{_DIRECTORY}/{name}/key"


def _keep_keys(repository: Repository) -> str:
    """A script that makes a place for the repository's keys apart from the system's: since 4.1, Red Hat Linux 8's, rpm
    has them in a database; before that it asked gpg."""
    name = repository.name
    place = f"{_DIRECTORY}/{name}"
    files = _key(name) if repository.key else _DISTRIBUTION_KEYS
    return (
        "set -e\n"
        "umask 077\n"
        f"mkdir -p {place}/db {place}/gpg\n"
        f"rpm --dbpath {place}/db --initdb\n"
        "found=no\n"
        f"for key in {files}; do\n"
        '    [ -e "$key" ] || continue\n'
        f'    rpm --dbpath {place}/db --import "$key" 2>/dev/null || gpg --homedir {place}/gpg --import "$key"\n'
        "    found=yes\n"
        "done\n"
        f"[ $found = yes ] || {{ echo {shlex.quote(f'repository {name} {rpmdb.NO_KEY}')} >&2; exit 1; }}"
    )


def _install(tdl: Tdl) -> tuple[Action, ...]:
    """The files, their signatures checked, in one command for all that need no arguments: they may need each other."""
    if not tdl.packages:
        return ()
    actions: list[Action] = []
    files = {}
    for package in tdl.packages:
        repository = _repository(tdl, package)
        file = f"{_DIRECTORY}/{repository.name}/{posixpath.basename(package.name)}"
        files[package] = file
        url = f"{repository.url.rstrip('/')}/{quote(package.name)}"
        actions.append(PutFile(path=file, content=Content(url=url)))
        if repository.signed:
            actions.append(run(f"check the signature of {package.name}", _check(repository.name, file)))
    plain = [file for package, file in files.items() if package.arguments is None]
    groups = [("packages", "", plain)] if plain else []
    groups += [(one.name, one.arguments or "", [file]) for one, file in files.items() if one.arguments is not None]
    for label, arguments, chosen in groups:
        # --replacepkgs: what is there already is no error.
        words = ["rpm", "-U", "--replacepkgs", *shlex.split(arguments), *chosen]
        actions.append(run(f"install {label}", shlex.join(words)))
    return (*actions, run("remove downloaded packages", f"rm -rf {_DIRECTORY}"))


def _repository(tdl: Tdl, package: Package) -> Repository:
    if package.repository is None or not package.name.endswith(".rpm"):
        raise TdlError(
            f"{where_package(tdl, package)}: this release has rpm alone, which looks for no package by its name as "
            f"{package.name!r} would need",
            hint='name its file, as in "wget-1.8.2-9.i386.rpm", those it depends on, and their <repository>',
        )
    return repository_of(tdl, package)


def _check(name: str, file: str) -> str:
    """Old ones say "md5 gpg OK", and GPG where it is not; new ones "digests signatures OK"."""
    place = f"{_DIRECTORY}/{name}"
    return (
        f"said=$(LC_ALL=C GNUPGHOME={place}/gpg rpm --dbpath {place}/db --checksig {shlex.quote(file)} 2>&1)\n"
        'case "$said" in\n'
        '*"NOT OK"*) ;;\n'
        '*" gpg "*OK | *" pgp "*OK | *" signatures OK") exit 0 ;;\n'
        "esac\n"
        'echo "not signed by a key of its repository: $said" >&2\n'
        "exit 1"
    )


def _remove(repository: Repository) -> Action:
    return run(f"remove repository {repository.name}", f"rm -rf {_DIRECTORY}/{repository.name}")


MANAGERS = {
    "rpm": PackageManager(
        add_repository=_add,
        remove_repository=_remove,
        install=_install,
        list_command=rpmdb.LIST_COMMAND,
        parse=rpmdb.parse,
    )
}
