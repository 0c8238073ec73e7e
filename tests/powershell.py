"""PowerShell as tree-sitter's grammar of it reads it."""

from collections.abc import Iterator

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_powershell.language()))


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from nodes(child)


def faults(script: str) -> list[str]:
    """What of the script is no PowerShell, with its line."""
    found = nodes(_PARSER.parse(script.encode()).root_node)
    return [f"{node.start_point[0] + 1}: {node.text!r}" for node in found if node.is_error or node.is_missing]


def strings(script: str) -> list[str]:
    """The string literals in single quotes, as they stand."""
    found = nodes(_PARSER.parse(script.encode()).root_node)
    return [(node.text or b"").decode() for node in found if node.type == "verbatim_string_characters"]
