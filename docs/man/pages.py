"""Makes the manual pages: what is written in docs/man/*.md and docs/tdl.md, and what the parsers, the settings, the
grammar and the errors say of themselves. `pages.py DIR` writes them, and the completion for bash, below DIR.

Nothing is imported but Oz's own modules and the standard library: setup.py runs it where nothing else may be installed.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from oz import __version__, arguments, config, errors, tdl  # noqa: E402
from oz.completion import bash_script  # noqa: E402

DATE = "2026-11-25"
"""Of the words in docs/man."""
_CODE = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
_PROSE = {"\\": r"\e", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", "--": r"\-\-"}


def write(prefix: Path) -> list[str]:
    """Every file, written below `prefix`; their paths."""
    written = {prefix / path: text for path, text in made().items()}
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [str(path) for path in written]


def made() -> dict[str, str]:
    """Every file, by its path below a prefix such as /usr."""
    files = {f"share/man/man{name[-1]}/{name}": page(name) for name in names()}
    parsers = {name: make() for name, make in arguments.PARSERS.items()}
    # bash-completion looks for a file of the command's name.
    return files | dict.fromkeys(
        (f"share/bash-completion/completions/{name}" for name in parsers), bash_script(parsers)
    )


def names() -> list[str]:
    """oz-install.1 and so on."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.[0-9].md"))


def page(name: str) -> str:
    """A page in troff's man macros."""
    title, _, section = name.rpartition(".")
    words = (Path(__file__).parent / f"{name}.md").read_text()
    for shared in re.findall(r"^{(\w+\.md)}$", words, re.MULTILINE):
        words = words.replace(f"{{{shared}}}", (Path(__file__).parent / shared).read_text().rstrip())
    parts = {"statuses": _statuses, "settings": _settings, "tdl": _language}
    if title in arguments.PARSERS:
        parser = arguments.PARSERS[title]()
        parts["options"] = lambda: _options(parser)
    lines = [rf".\" made by docs/man/pages.py from {name}.md", _title(title, section)]
    for line in convert(words):
        part = re.fullmatch(r"{(\w+)}", line)
        lines += parts[part[1]]() if part else [line]
    return _tidy("\n".join(lines)) + "\n"


def _title(title: str, section: str) -> str:
    return f'.TH {code(title.upper())} {section} {DATE} "Oz {__version__}" "Oz"'


def _tidy(roff: str) -> str:
    """Without paragraphs that begin where a heading has begun one."""
    return re.sub(r"^(\.S[HS] .*)\n\.PP$", r"\1", roff, flags=re.MULTILINE)


# ------------------------------------------------------------------ from Markdown to troff


def convert(markdown: str, depth: int = 0) -> Iterator[str]:
    """Lines of troff. Of Markdown, what our documents use: headings, paragraphs, code, tables, which become lists."""
    for block in re.split(r"\n\n+(?!    )|\n(?=#)", markdown.strip("\n")):
        lines = block.splitlines()
        if not lines:
            continue
        heading = re.match(r"(#+) (.*)", lines[0])
        if heading:
            is_section = len(heading[1]) + depth <= 2
            yield f".SH {prose(heading[2].upper())}" if is_section else f".SS {prose(heading[2])}"
            yield from convert("\n".join(lines[1:]), depth)
        elif lines[0].startswith("|"):
            yield from _table([_cells(line) for line in lines])
        elif lines[0].startswith("    "):
            yield from (".PP", ".RS 4", ".EX", *(_line(code(line[4:])) for line in lines), ".EE", ".RE")
        elif re.fullmatch(r"{\w+}", block):
            yield block
        elif any(line.startswith("    ") for line in lines):
            text, _, rest = block.partition("\n    ")
            yield from (*convert(text, depth), *convert("    " + rest, depth))
        else:
            yield from (".PP", *_sentences(" ".join(lines)))


def _cells(row: str) -> list[str]:
    return re.split(r" *(?<!\\)\| *", row.strip("| "))


def _table(rows: list[list[str]]) -> Iterator[str]:
    header, _, *rows = rows
    if header[0] == "Path":
        yield ".SS Elements and attributes"
    for row in rows:
        if header[0] == "Path":
            yield from _element(*row)
        else:
            yield from (".TP", prose(row[0]), *_sentences(" ".join(row[1:])))


def _sentences(text: str) -> Iterator[str]:
    for sentence in re.split(r"(?<=[.?!:]) (?=[A-Z<])", text.replace(r"\|", "|")):
        yield _line(prose(sentence))


def _line(roff: str) -> str:
    # What begins like a request is none.
    return rf"\&{roff}" if roff[:1] in (".", "'") else roff


def prose(text: str) -> str:
    """A line of Markdown: code and **strong** in bold, *emphasis* in italics, links as their words."""
    found = []
    for number, part in enumerate(re.split(r"`([^`]*)`", text)):
        if number % 2:
            found.append(rf"\fB{code(part)}\fR")
            continue
        part = re.sub(r"\\|`|\^|~|--", lambda match: _PROSE[match[0]], part)
        part = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", part)
        part = re.sub(r"([\w.-]+)\((\d)\)", lambda match: rf"\fB{code(match[1])}\fR({match[2]})", part)
        part = re.sub(r"\*\*([^*]+)\*\*", r"\\fB\1\\fR", part)
        found.append(re.sub(r"\*([^*]+)\*", r"\\fI\1\\fR", part))
    return "".join(found)


def code(text: str) -> str:
    """Characters that stay what they are: can be copied into a shell or a template."""
    return "".join(_CODE.get(character, character) for character in text)


# ------------------------------------------------------------------ what the program knows


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Names and values as the parser has them; the words are those of docs/options.md, where it has some."""
    expand, words = parser._get_formatter()._expand_help, _words(parser.prog)
    for group in parser._action_groups:
        if not group._group_actions:
            continue
        yield f".SS {(group.title or '').removeprefix('positional ').capitalize()}"
        for action in group._group_actions:
            said = [words[name] for name in action.option_strings if name in words]
            yield from (".TP", _head(action), *_sentences(_claim(said[0] if said else expand(action))))


def _words(program: str) -> dict[str, str]:
    """By option, what the chapters for all programs and for this one say of it."""
    common, *chapters = re.split(r"^## ", (ROOT / "docs/options.md").read_text(), flags=re.MULTILINE)
    own = next(chapter for chapter in chapters if program in chapter.partition("\n")[0])
    found: dict[str, str] = {}
    for names, words in (_cells(line) for line in (common + own).splitlines() if line.startswith("| `")):
        only = re.match(r"(oz-[a-z-]+): ", words)
        if (not only or only[1] == program) and not words.endswith("as above"):
            words = words.removeprefix(only[0]) if only else words
            found |= dict.fromkeys(re.findall(r"`(--?[a-z][a-z-]*)", names), words)
    return found


def _head(action: argparse.Action) -> str:
    names = ", ".join(rf"\fB{code(name)}\fR" for name in action.option_strings)
    if action.nargs == 0:
        return names
    choices = [] if action.metavar else [rf"\fB{code(str(choice))}\fR" for choice in action.choices or ()]
    value = "|".join(choices) or rf"\fI{code(str(action.metavar))}\fR"
    return f"{names} {value}".strip() + (" ..." if action.nargs == "*" else "")


def _claim(text: str) -> str:
    """As a sentence; names such as oz.cfg stay what they are."""
    begun = text[:1].upper() + text[1:] if re.match(r"[a-z]+(?![\w.])", text) else text
    return begun if begun.endswith("...") else f"{begun}."


def _statuses() -> Iterator[str]:
    words: dict[int, list[str]] = {0: ["Done."], 1: ["A bug in Oz; its traceback is shown."]}
    for kind in errors.OzError.__subclasses__():
        words.setdefault(kind.exit_status, []).append((kind.__doc__ or "").partition("\n")[0])
    words |= {130: ["Interrupted by SIGINT."], 143: ["Ended by SIGTERM (129: by SIGHUP)."]}
    for status, lines in words.items():
        yield from (".TP", str(status), *_sentences(" ".join(lines)))


def _settings() -> Iterator[str]:
    """The table of settings, each with the comment that it has in the sample file."""
    section, comments = "", _comments((ROOT / "oz.cfg").read_text())
    for setting in config.SETTINGS:
        if setting.section != section:
            section = setting.section
            yield f".SS [{section}]"
        yield from (".TP", rf"\fB{code(setting.key)}\fR", *_sentences(comments[setting.name]), ".br")
        yield from _sentences(_claim(f"Value: {setting.kind.expected}") + f" Default: {_default(setting)}.")


def _default(setting: config.Setting) -> str:
    values = [value for value in (setting.default, setting.user_default) if value]
    shown = [f"`{value.format(home='~', data_dir='DATA_DIR')}`" for value in values] or ["none"]
    return " for root, else ".join(shown).replace("`DATA_DIR", "*data_dir*`")


def _comments(sample: str) -> Mapping[str, str]:
    """By the settings that follow them, the comments of oz.cfg."""
    found, section, lines, is_open = {}, "", list[str](), False
    for line in sample.splitlines():
        setting = re.match(r"#?(\w+) =", line)
        if setting:
            found[f"{section}.{setting[1]}"] = " ".join(lines)
        elif line.startswith("# "):
            lines = [*lines, line[2:]] if is_open else [line[2:]]
        elif line.startswith("["):
            section, lines = line.strip("[]"), []
        is_open = line.startswith("# ")
    return found


def _language() -> Iterator[str]:
    words = (ROOT / "docs/tdl.md").read_text()
    return convert(words.partition("\n")[2], depth=1)


def _element(path: str, occurs: str, default: str, meaning: str) -> Iterator[str]:
    row = tdl.TABLE["" if path == "`template`" else path.strip("`")]
    yield from (".TP", rf"{prose(path)} ({occurs})", *_sentences(_claim(meaning)))
    if row.kind:
        yield from (".br", *_sentences(_claim(f"Value: {row.kind.expected}")))
        yield from _sentences(f"Default: {default}.") if default else ()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
