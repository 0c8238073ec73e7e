"""A table of elements and attributes, and a document checked against it, fault by fault with its line."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from oz.tdlvalues import BLANKS, Kind, nearest, shown
from oz.tdlxml import Element

MAX_FAULTS = 100


class Row(NamedTuple):
    """One element or attribute. `kind` None: an element that holds only other elements."""

    occurs: Literal["one", "optional", "many"]
    kind: Kind | None = None
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Grammar:
    """`rows` by path: "" is the outermost element, @ begins an attribute. `refused` holds, by path, the words
    for what looks right and is not."""

    rows: Mapping[str, Row]
    refused: Mapping[str, str]
    by_parent: dict[str, dict[str, Row]] = field(init=False, default_factory=lambda: defaultdict(dict))

    def __post_init__(self) -> None:
        for path, row in self.rows.items():
            if path:
                parent, _, name = path.rpartition("/")
                self.by_parent[parent][name] = row


class Faults:
    """Faults by line; stops at MAX_FAULTS, so that a hostile template cannot make us word millions."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []

    @property
    def is_full(self) -> bool:
        return len(self.found) >= MAX_FAULTS

    def add(self, element: Element, message: str) -> None:
        if not self.is_full:
            self.found.append((element.line, message))

    def messages(self, path: str) -> tuple[str, ...]:
        messages = [f"{path}:{line}: {message}" for line, message in sorted(self.found, key=lambda fault: fault[0])]
        if self.is_full:
            messages.append(f"{path}: there may be more faults than these {MAX_FAULTS}")
        return tuple(messages)


def check_element(element: Element, grammar: Grammar, faults: Faults) -> None:
    """Fill `element.values`, and those below it, with what is right and `faults` with what is not."""
    rows = grammar.by_parent.get(element.path, {})
    counts: dict[str, int] = defaultdict(int)
    for child in element.children:
        if faults.is_full:
            return
        counts[child.tag] += 1
        row = rows.get(child.tag)
        if row is None:
            faults.add(child, _explain_unknown(child, element, grammar))
        elif counts[child.tag] > 1 and row.occurs != "many":
            faults.add(child, f"<{element.tag}> has a second <{child.tag}>, expected at most one")
        else:
            check_element(child, grammar, faults)
    for name in element.attributes:
        if faults.is_full:
            return
        if f"@{name}" not in rows:
            known = [key[1:] for key in rows if key.startswith("@")]
            faults.add(element, f"<{element.tag}> has the unknown attribute {shown(name)}{_suggest(name, known)}")
    for name, row in rows.items():
        is_present = name[1:] in element.attributes if name.startswith("@") else name in counts
        label = f"the attribute {name[1:]}" if name.startswith("@") else f"<{name}>"
        if row.occurs == "one" and not is_present:
            expected = row.kind.expected if row.kind else "it with its elements"
            faults.add(element, f"<{element.tag}> lacks {label}, expected {expected}")
        elif row.kind and is_present and name.startswith("@"):
            _check_value(element, name, row.kind, faults)
    kind = grammar.rows[element.path].kind
    if kind:
        _check_value(element, "", kind, faults)
    elif element.text.strip(BLANKS):
        text = shown(element.text.strip(BLANKS))
        faults.add(element, f"<{element.tag}> has the text {text} in it, expected only elements")


def _check_value(element: Element, key: str, kind: Kind, faults: Faults) -> None:
    text = element.attributes[key[1:]] if key else element.text
    label = f"the attribute {key[1:]} of <{element.tag}>" if key else f"<{element.tag}>"
    try:
        element.values[key] = kind.read(text)
    except ValueError as error:
        faults.add(element, f"{label}{kind.quote(text)} {error}, expected {kind.expected}")


def _explain_unknown(child: Element, parent: Element, grammar: Grammar) -> str:
    if child.path in grammar.refused:
        return f"<{child.tag}> in <{parent.tag}> {grammar.refused[child.path]}"
    known = [name for name in grammar.by_parent.get(parent.path, {}) if not name.startswith("@")]
    homes = [path.rpartition("/")[0] for path in grammar.rows if path.rpartition("/")[2] == child.tag]
    if homes and not nearest(child.tag, known):
        home = homes[0].rpartition("/")[2] or "template"
        return f"<{child.tag}> is out of place in <{parent.tag}>, expected in <{home}>"
    tag = child.tag if len(child.tag) <= 64 else f"{child.tag[:60]}..."
    return f"<{tag}> in <{parent.tag}> is unknown{_suggest(child.tag, known)}"


def _suggest(word: str, known: list[str]) -> str:
    guess = nearest(word, known)
    if guess:
        return f", did you mean {guess}?"
    return f", expected {'one of ' if len(known) > 1 else ''}{', '.join(known)}" if known else ", expected none"
