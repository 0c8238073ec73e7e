"""TDL, the template description language: a file to a checked Tdl, or to every fault with file and line.

Parsing opens no connection and no other file: URLs are checked and kept. TABLE is the language: structure,
defaults, checks and the words of errors. tdl.rng tells editors the same, as far as RELAX NG can; docs/tdl.md
tells people.
"""

from collections import defaultdict
from pathlib import Path
from typing import Literal, cast
from urllib.parse import unquote, urlsplit

from oz import tdlvalues as values
from oz.errors import TdlError
from oz.model import Checksum, Command, Content, Extra, GuestFile, Package, Repository, Tdl, Virtual
from oz.tdlgrammar import Faults, Grammar, Row, check_element
from oz.tdlpartitions import build_layout, build_partitions, check_partitions
from oz.tdlvalues import nearest, shown
from oz.tdlxml import MAX_BYTES, Element, Unreadable, read_elements

# "" is <template> itself, @ begins an attribute.
TABLE: dict[str, Row] = {
    "": Row("one"),
    "@version": Row("optional", values.LANGUAGE_VERSION),
    "name": Row("one", values.NAME),
    "description": Row("optional", values.DESCRIPTION),
    "os": Row("one"),
    "os/name": Row("one", values.NAME),
    "os/version": Row("one", values.NAME),
    "os/arch": Row("one", values.ARCH),
    "os/edition": Row("optional", values.EDITION),
    "os/kernelparam": Row("optional", values.KERNEL_PARAMETERS),
    "os/rootpw": Row("optional", values.PASSWORD),
    "os/key": Row("optional", values.LICENCE_KEY),
    "os/install": Row("one"),
    "os/install/@type": Row("one", values.INSTALL_TYPE),
    "os/install/url": Row("optional", values.TREE_URL),
    "os/install/iso": Row("optional", values.FILE_URL),
    "os/install/md5sum": Row("optional", values.MD5),
    "os/install/sha1sum": Row("optional", values.SHA1),
    "os/install/sha256sum": Row("optional", values.SHA256),
    "os/install/drivers": Row("optional", values.LOCAL_URL),
    "os/install/extras": Row("optional"),
    "os/install/extras/file": Row("many"),
    "os/install/extras/file/@source": Row("one", values.FILE_URL),
    "os/install/extras/file/@destination": Row("one", values.MEDIUM_FILE),
    "os/install/extras/directory": Row("many"),
    "os/install/extras/directory/@source": Row("one", values.DIRECTORY_URL),
    "os/install/extras/directory/@destination": Row("one", values.MEDIUM_DIRECTORY),
    "os/icicle": Row("optional"),
    "os/icicle/extra_command": Row("one", values.COMMAND_LINE),
    "disk": Row("optional"),
    "disk/size": Row("one", values.DISK_SIZE, "10 GiB"),
    "partitions": Row("optional"),
    "partitions/@layout": Row("optional", values.PARTITION_LAYOUT, "plain"),
    "partitions/partition": Row("many"),
    "partitions/partition/@mount": Row("one", values.MOUNT),
    "partitions/partition/@size": Row("optional", values.PARTITION_SIZE, "rest"),
    "partitions/partition/@filesystem": Row("optional", values.FILESYSTEM),
    "machine": Row("optional"),
    "machine/firmware": Row("optional", values.FIRMWARE),
    "machine/type": Row("optional", values.MACHINE_TYPE),
    "machine/cpus": Row("optional", values.CPUS),
    "machine/memory": Row("optional", values.MEMORY),
    "packages": Row("optional"),
    "packages/package": Row("many"),
    "packages/package/@name": Row("one", values.PACKAGE),
    "packages/package/repository": Row("optional", values.NAME),
    "packages/package/arguments": Row("optional", values.ARGUMENTS),
    "files": Row("optional"),
    "files/file": Row("many", values.BODY),
    "files/file/@name": Row("one", values.GUEST_PATH),
    "files/file/@type": Row("optional", values.CONTENT_TYPE, "raw"),
    "precommands": Row("optional"),
    "precommands/command": Row("many", values.BODY),
    "precommands/command/@name": Row("one", values.LABEL),
    "precommands/command/@type": Row("optional", values.CONTENT_TYPE, "raw"),
    "precommands/command/@position": Row("optional", values.POSITION),
    "commands": Row("optional"),
    "commands/command": Row("many", values.BODY),
    "commands/command/@name": Row("one", values.LABEL),
    "commands/command/@type": Row("optional", values.CONTENT_TYPE, "raw"),
    "commands/command/@position": Row("optional", values.POSITION),
    "repositories": Row("optional"),
    "repositories/repository": Row("many"),
    "repositories/repository/@name": Row("one", values.NAME),
    "repositories/repository/url": Row("one", values.REPOSITORY_URL),
    "repositories/repository/signed": Row("optional", values.YES_NO, "yes"),
    "repositories/repository/sslverify": Row("optional", values.YES_NO, "yes"),
    "repositories/repository/persisted": Row("optional", values.YES_NO, "yes"),
    "repositories/repository/key": Row("optional", values.PUBLIC_KEY),
}

# What looks right and is not: the end of the message.
_REFUSED = {
    "packages/package/file": "is not installed by Oz; expected the package among <files> and its <command>",
    "repositories/repository/clientcert": "is no longer part of TDL",
    "repositories/repository/clientkey": "is no longer part of TDL",
    "repositories/repository/cacert": "is no longer part of TDL",
}


_GRAMMAR = Grammar(TABLE, _REFUSED)
_TYPED = ("files/file", "precommands/command", "commands/command")


# ------------------------------------------------------------------ the surface


def load(path: Path | str) -> Tdl:
    """The template in a file. Raises TdlError, also for a file that cannot be read."""
    return parse(_read(Path(path)), str(path))


def parse(data: bytes, path: str = "<template>") -> Tdl:
    """The template in `data`; `path` is what messages call it. Raises TdlError with the first fault."""
    tdl, faults = _understand(data, path)
    if tdl is None:
        more = len(faults) - 1
        hint = f"{more} more error{'s' * (more > 1)}: oz-install --check shows all" if more else None
        raise TdlError(faults[0], hint=hint)
    return tdl


def problems(path: Path | str) -> tuple[str, ...]:
    """Every fault of the template in a file, by line, one printable line each; empty if there is none. A file
    that cannot be read is one fault."""
    try:
        data = _read(Path(path))
    except TdlError as error:
        return (f"{error.message}; {error.hint}",)
    return faults_in(data, str(path))


def faults_in(data: bytes, path: str = "<template>") -> tuple[str, ...]:
    """Every fault of a template in memory, as `problems` has them."""
    return _understand(data, path)[1]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise TdlError(f"{path}: there is no such file", hint="name the TDL file to install from") from error
    except IsADirectoryError as error:
        raise TdlError(f"{path}: is a directory", hint="name a TDL file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TdlError(f"{path}: cannot be read: {reason}", hint="make it a file that this user can read") from error
    return data


def _understand(data: bytes, path: str) -> tuple[Tdl | None, tuple[str, ...]]:
    try:
        root = read_elements(data)
    except Unreadable as error:
        return None, (f"{path}:{error.line}: {error.message}",)
    if root.tag != "template":
        return None, (f"{path}:{root.line}: the outermost element is {shown(root.tag)}, expected <template>",)
    faults = Faults()
    check_element(root, _GRAMMAR, faults)
    _check_relations(root, faults)
    if faults.found:
        return None, faults.messages(path)
    return _build(root, path), ()


# ------------------------------------------------------------------ what one row cannot say


def _get(element: Element, path: str) -> str | None:
    """The checked value at a path below an element ("url", "extras/@type"), else TABLE's default, else None.
    An empty optional value is None as well."""
    parent, _, name = path.rpartition("/")
    is_attribute = name.startswith("@")
    found = element.all(parent if is_attribute else path)
    if found:
        value = found[0].values.get(name if is_attribute else "")
        if value is not None:
            return value or None
    row = TABLE[f"{element.path}/{path}".lstrip("/")]
    return row.kind.read(row.default) if row.kind and row.default is not None else None


def _need(element: Element, path: str) -> str:
    value = _get(element, path)
    assert value is not None, path  # TABLE says that it occurs, and there were no faults
    return value


def _disk_bytes(root: Element) -> int:
    return int(_need(root, "disk/size").split()[0])


def _check_relations(root: Element, faults: Faults) -> None:
    for install in root.all("os/install"):
        _check_install(install, faults)
    for path in _TYPED:
        for element in root.all(path):
            _check_content(element, faults)
    is_size_right = all("" in each.values for each in root.all("disk/size"))
    for partitions in root.all("partitions"):
        check_partitions(partitions, _disk_bytes(root) if is_size_right else None, faults)
    _check_unique(root.all("files/file"), "the file", faults)
    _check_unique(root.all("repositories/repository"), "the repository", faults)
    names = {each.values["@name"] for each in root.all("repositories/repository") if "@name" in each.values}
    for element in root.all("packages/package/repository"):
        name = element.values.get("")
        if name and name not in names and not faults.is_full:
            guess = nearest(name, sorted(names))
            wanted = f"did you mean {guess}?" if guess else "expected the name of one in <repositories>"
            faults.add(element, f"<repository> {shown(name)} is none of this template's, {wanted}")
    for path in ("precommands/command", "commands/command"):
        _check_positions(root.all(path), faults)


def _check_install(install: Element, faults: Faults) -> None:
    form = _get(install, "@type")
    if form is None:
        return
    if not install.all(form):
        faults.add(install, f"<install> of type {form} lacks <{form}>, expected one")
    sums = [child for child in install.children if child.tag.endswith("sum") and f"os/install/{child.tag}" in TABLE]
    for child in install.children:
        if child.tag in ("iso", "url") and child.tag != form:
            faults.add(child, f"<install> of type {form} has <{child.tag}>, expected <{form}> alone")
        elif child.tag in ("extras", "drivers") or child in sums:
            if form != "iso":
                faults.add(child, f"<{child.tag}> is for type iso alone, expected none in an install of type {form}")
            elif child in sums[1:] and child.tag != sums[0].tag:
                faults.add(child, f"<{child.tag}> is a second checksum, expected at most one")
    for extras in install.all("extras"):
        if not extras.children:
            faults.add(extras, "<extras> is empty, expected <file> or <directory>")


def _check_content(element: Element, faults: Faults) -> None:
    form = _get(element, "@type") if "@type" in element.values or "type" not in element.attributes else None
    if form is None:
        return
    try:
        _content(element)
    except ValueError as error:
        expected = {"raw": "a shell script", "base64": "base64 of a script", "url": values.FILE_URL.expected}
        if element.tag == "file":
            expected["base64"] = "base64"
        value = values.FILE_URL.quote(element.text) if form == "url" else ""
        faults.add(element, f"<{element.tag}> of type {form}{value} {error}, expected {expected[form]}")


def _check_unique(elements: list[Element], label: str, faults: Faults) -> None:
    lines: dict[str, int] = {}
    for element in elements:
        name = element.values.get("@name")
        if name in lines:
            faults.add(element, f"{label} {shown(name)} is that of line {lines[name]} again, expected another name")
        elif name:
            lines[name] = element.line


def _check_positions(commands: list[Element], faults: Faults) -> None:
    positioned = [command for command in commands if "position" in command.attributes]
    taken: dict[int, int] = {}
    for command in commands if positioned else ():
        position = int(command.values.get("@position", 0))
        if "position" not in command.attributes:
            faults.add(command, "<command> has no position but others have, expected one for every command or none")
        elif position > len(commands):
            faults.add(command, f"position {position} leaves a gap, expected 1 to {len(commands)}, each once")
        elif position in taken:
            faults.add(command, f"position {position} is taken by line {taken[position]}, expected another")
        elif position:
            taken[position] = command.line


# ------------------------------------------------------------------ checked elements to records


def _content(element: Element) -> Content:
    form = cast(values.ContentType, _need(element, "@type"))
    return values.content(element.text, form, may_be_empty=element.tag == "file")


def _in_order(commands: list[Element]) -> list[Element]:
    return sorted(commands, key=lambda command: int(command.values.get("@position", 0)))


def _build(root: Element, path: str) -> Tdl:
    install = root.all("os/install")[0]
    form = cast(Literal["iso", "url"], _need(install, "@type"))
    partitions = root.all("partitions")
    precommands, commands = (_in_order(root.all(f"{name}/command")) for name in ("precommands", "commands"))
    return Tdl(
        path=path,
        name=_need(root, "name"),
        description=_get(root, "description"),
        distro=_need(root, "os/name"),
        version=_need(root, "os/version"),
        arch=_need(root, "os/arch"),
        edition=_get(root, "os/edition"),
        kernelparam=_get(root, "os/kernelparam"),
        rootpw=_get(root, "os/rootpw"),
        key=_get(root, "os/key"),
        install_type=form,
        install_url=_need(install, form),
        checksum=_build_checksum(install),
        drivers=_build_drivers(install),
        extras=tuple(_build_extras(install)),
        icicle_extra_command=_get(root, "os/icicle/extra_command"),
        disk_bytes=_disk_bytes(root),
        partition_layout=build_layout(partitions[0]) if partitions else None,
        partitions=build_partitions(partitions[0]) if partitions else (),
        virtual=_build_virtual(root),
        packages=tuple(
            Package(name=_need(each, "@name"), repository=_get(each, "repository"), arguments=_get(each, "arguments"))
            for each in root.all("packages/package")
        ),
        files=tuple(GuestFile(path=_need(each, "@name"), content=_content(each)) for each in root.all("files/file")),
        precommands=tuple(Command(name=_need(each, "@name"), content=_content(each)) for each in precommands),
        commands=tuple(Command(name=_need(each, "@name"), content=_content(each)) for each in commands),
        repositories=tuple(_build_repository(each) for each in root.all("repositories/repository")),
        lines=_number_lines(root, precommands, commands),
    )


def _build_checksum(install: Element) -> Checksum | None:
    algorithms: tuple[Literal["md5", "sha1", "sha256"], ...] = ("md5", "sha1", "sha256")
    for algorithm in algorithms:
        value = _get(install, f"{algorithm}sum")
        if value:
            return Checksum(algorithm=algorithm, value=value)
    return None


def _build_drivers(install: Element) -> Path | None:
    url = _get(install, "drivers")
    return Path(unquote(urlsplit(url).path)) if url else None


def _build_virtual(root: Element) -> Virtual:
    cpus, memory = _get(root, "machine/cpus"), _get(root, "machine/memory")
    return Virtual(
        firmware=cast(Literal["bios", "efi"] | None, _get(root, "machine/firmware")),
        machine_type=_get(root, "machine/type"),
        cpus=int(cpus) if cpus else None,
        memory_bytes=int(memory.split()[0]) if memory else None,
    )


def _build_extras(install: Element) -> list[Extra]:
    """Directories first, so that a file can replace one of theirs."""
    kinds: tuple[Literal["directory", "file"], ...] = ("directory", "file")
    return [
        Extra(kind=kind, source=_need(each, "@source"), destination=_need(each, "@destination"))
        for kind in kinds
        for each in install.all(f"extras/{kind}")
    ]


def _build_repository(element: Element) -> Repository:
    key = _get(element, "key")
    return Repository(
        name=_need(element, "@name"),
        url=_need(element, "url"),
        signed=_get(element, "signed") == "yes",
        sslverify=_get(element, "sslverify") == "yes",
        persisted=_get(element, "persisted") == "yes",
        key=values.key_content(key) if key else None,
    )


def _number_lines(root: Element, *ordered: list[Element]) -> dict[str, int]:
    """Lines by path. Elements that may repeat are numbered from 1 in the order of the record's tuple."""
    lines: dict[str, int] = {}

    def number(element: Element, path: str) -> None:
        lines[path or "template"] = element.line
        counts: dict[str, int] = defaultdict(int)
        in_order = next((group for group in ordered if group and group[0] in element.children), element.children)
        for child in in_order:
            counts[child.tag] += 1
            index = f"[{counts[child.tag]}]" if TABLE[child.path].occurs == "many" else ""
            number(child, f"{path}/{child.tag}{index}".lstrip("/"))

    number(root, "")
    return lines
