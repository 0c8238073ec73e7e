"""rpm's database: what is installed, and the keys that packages are checked with."""

import shlex

from oz.errors import GuestError
from oz.guests.packages.manager import run
from oz.model import Action, InstalledPackage, PutFile, Repository, RunCommand

LIST_COMMAND = "rpm -qa --queryformat '%{NAME}\\t%{EPOCH}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\n'"

NO_KEY = "is signed, but neither the template nor this system has a key for it: add <key> to the template"
"""What a script says of a repository; the name stands before it."""


def parse(text: str) -> tuple[InstalledPackage, ...]:
    """Read lines of name, epoch, version, release and architecture, parted by tabs.

    Keys are kept: to rpm they are packages, and a template's own command for the manifest, which asks rpm too, prints
    a line for each.
    """
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 5 or not fields[0]:
            raise GuestError(f"the list of packages has a line that is none: {line[:80]!r}")
        name, epoch, version, release, architecture = ("" if field == "(none)" else field for field in fields)
        found.append(
            InstalledPackage(name=name, epoch=epoch, version=version, release=release, architecture=architecture)
        )
    return tuple(found)


def key_file(name: str) -> str:
    """Where the key of a repository of that name is kept."""
    return f"/etc/pki/rpm-gpg/RPM-GPG-KEY-oz-{name}"


def _brought_file(name: str) -> str:
    return f"/var/tmp/oz-{name}.keys"


def bring_key(repository: Repository, command: str = "rpm --import") -> tuple[Action, ...]:
    """The repository's key put into rpm's database; none if it has none.

    Of one that is to go again, it is written down which keys it brought: it must not take one with it that the
    system had before.
    """
    name, key = repository.name, repository.key
    if key is None:
        return ()
    path = shlex.quote(key_file(name))
    script = f"{command} {path}"
    if not repository.persisted:
        script = (
            "before=`rpm -q gpg-pubkey | tr '\\n' ' '`\n"
            f"{script} || exit 1\n"
            "for key in `rpm -q gpg-pubkey`; do\n"
            '    case " $before " in *" $key "*) ;; *) echo "$key" ;; esac\n'
            f"done >{shlex.quote(_brought_file(name))}"
        )
    return (PutFile(path=key_file(name), content=key), run(f"trust the key of {name}", script))


def forget_key(name: str) -> str:
    """A script that takes out what `bring_key` brought."""
    brought = shlex.quote(_brought_file(name))
    return (
        f"if [ -e {brought} ]; then\n"
        "    while read key; do\n"
        '        case "$key" in gpg-pubkey-*) rpm -e --allmatches "$key" </dev/null ;; esac\n'
        f"    done <{brought}\n"
        "fi\n"
        f"rm -f {brought} {shlex.quote(key_file(name))}"
    )


def refuse_second(name: str, path: str, directory: str) -> str:
    """A script that fails if the system has another repository of that name."""
    return (
        f"for file in {directory}/*.repo; do\n"
        f'    [ "$file" != {path} ] && grep -qsxF {shlex.quote(f"[{name}]")} "$file" || continue\n'
        f'    echo "this system has a repository {name} already, in $file: name yours otherwise" >&2\n'
        "    exit 1\n"
        "done"
    )


def remove(repository: Repository, *lines: str) -> RunCommand:
    return run(f"remove repository {repository.name}", "\n".join([*lines, forget_key(repository.name)]))
