"""Bytes of a template to its elements, each with its line; within limits, and without DTD, entities or XInclude.

The parser is expat, given one string that is already decoded: it counts lines without limit, opens nothing,
and a DOCTYPE is refused before it sees one.
"""

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from oz.tdlvalues import shown

MAX_BYTES = 16 * 1024**2
MAX_ELEMENTS = 50_000
MAX_DEPTH = 16

_XINCLUDE = "http://www.w3.org/2001/XInclude"
_BOMS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_DECLARED = re.compile(rb"""<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
# Only encodings of plain text: some of Python's codecs take quadratic time, others are not text at all.
_ENCODINGS = re.compile(
    r"utf-?8|(us-)?ascii|latin-?\d|iso-?8859-?\d+|[a-z]+-125\d|cp\d+|koi8-[ru]|gbk|gb2312|gb18030|big5|euc-(jp|kr)"
    r"|shift_jis",
    re.IGNORECASE,
)
# What may stand before a DOCTYPE; atomic groups, so that a hostile file cannot make it backtrack.
_DOCTYPE = re.compile(r"\ufeff?(?:\s++|(?><\?.*?\?>)|(?><!--.*?-->))*+<!DOCTYPE", re.DOTALL)


class Unreadable(Exception):
    """This is no XML, or not XML we read; the message says what is wrong and what was expected."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True, eq=False)
class Element:
    """`path` leads here from the outermost element, whose own path is empty. `values` is for what checks make
    of the text (under "") and the attributes (under "@name")."""

    tag: str
    path: str
    line: int
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text directly in it, untrimmed."""
        return "".join(self.texts)

    def all(self, path: str) -> list["Element"]:
        """The elements at a path below this one, in document order."""
        found = [self]
        for tag in path.split("/") if path else ():
            found = [child for element in found for child in element.children if child.tag == tag]
        return found


def read_elements(data: bytes) -> Element:
    """The outermost element. Raises Unreadable."""
    text = _decode(data)
    doctype = _DOCTYPE.match(text)
    if doctype:
        line = text.count("\n", 0, doctype.end()) + 1
        raise Unreadable(line, "a DOCTYPE is refused, as DTDs and entities are never read; expected <template>")
    return _Builder().build(text)


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise Unreadable(1, f"the template is larger than {MAX_BYTES >> 20} MiB; expected large files as type='url'")
    if not data.strip():
        raise Unreadable(1, "the template is empty, expected <template>")
    encoding = next((name for bom, name in _BOMS.items() if data.startswith(bom)), None)
    if encoding is None:
        declared = _DECLARED.match(data)
        encoding = declared[1].decode() if declared else "utf-8"
        if not _ENCODINGS.fullmatch(encoding):
            raise Unreadable(1, f"the encoding {shown(encoding)} is not one that Oz reads, expected UTF-8")
    try:
        return data.decode(encoding)
    except LookupError as error:
        raise Unreadable(1, f"the encoding {shown(encoding)} is unknown, expected UTF-8") from error
    except UnicodeDecodeError as error:
        raise Unreadable(
            data.count(b"\n", 0, error.start) + 1,
            f"byte {data[error.start]:#04x} is not {encoding.removesuffix('-sig')} text, expected UTF-8 or an XML "
            "declaration that names the file's encoding",
        ) from error


class _Builder:
    """Makes elements of expat's events."""

    def __init__(self) -> None:
        # A separator that no name can contain keeps namespaces apart from tags.
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._open: list[Element] = []
        self._root: Element | None = None
        self._count = 0

    def build(self, text: str) -> Element:
        try:
            self._parser.Parse(text, True)
        except expat.ExpatError as error:
            raise Unreadable(error.lineno, self._explain(error, text)) from error
        assert self._root is not None  # expat calls a document without elements an error
        return self._root

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        namespace, _, local = tag.rpartition(" ")
        if namespace == _XINCLUDE:
            raise Unreadable(line, "XInclude is not followed, expected the included elements themselves")
        if namespace:
            raise Unreadable(line, f"{shown(local)} is in the namespace {shown(namespace)}, expected no namespace")
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise Unreadable(line, f"the template has too many elements, expected at most {MAX_ELEMENTS}")
        if len(self._open) == MAX_DEPTH:
            raise Unreadable(line, f"elements are nested too deep, expected at most {MAX_DEPTH} levels")
        path = f"{self._open[-1].path}/{tag}".lstrip("/") if self._open else ""
        element = Element(tag, path, line, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].texts.append(text)

    def _explain(self, error: expat.ExpatError, text: str) -> str:
        reason = expat.errors.messages.get(error.code, "")
        if reason == expat.errors.XML_ERROR_INVALID_TOKEN:
            return _explain_token(text.encode(), self._parser.ErrorByteIndex)
        if self._open:
            tag = f"<{shown(self._open[-1].tag)[1:-1]}> of line {self._open[-1].line}"
            if reason == expat.errors.XML_ERROR_TAG_MISMATCH:
                return f"another element is closed while {tag} is open, expected its end tag first"
            if reason == expat.errors.XML_ERROR_NO_ELEMENTS:
                return f"the template ends inside {tag}, expected its end tag"
        return _REASONS.get(reason, f"this is not XML ({reason}), expected a well-formed template")


_REASONS = {
    expat.errors.XML_ERROR_NO_ELEMENTS: "there is no element, expected <template>",
    expat.errors.XML_ERROR_SYNTAX: "this is not XML, expected <template>",
    expat.errors.XML_ERROR_UNCLOSED_TOKEN: "a tag or comment is not finished, expected its end",
    expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION: "a CDATA section is not finished, expected ]]>",
    expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT: "something follows the outermost element, expected the end",
    expat.errors.XML_ERROR_UNDEFINED_ENTITY: "an entity is unknown, expected &amp; &lt; &gt; &quot; or &apos;",
    expat.errors.XML_ERROR_DUPLICATE_ATTRIBUTE: "an attribute is given twice, expected it once",
    expat.errors.XML_ERROR_MISPLACED_XML_PI: "<?xml ...?> is not at the very beginning, expected nothing before it",
    expat.errors.XML_ERROR_BAD_CHAR_REF: "a character reference is to none that XML allows, expected plain text",
    expat.errors.XML_ERROR_UNBOUND_PREFIX: "a name has a namespace prefix, expected none",
}


def _explain_token(encoded: bytes, at: int) -> str:
    character = encoded[at : at + 4].decode(errors="ignore")[:1]
    if encoded[at - 1 : at] == b"&" or character == "&":
        return "a bare & is not XML, expected &amp;"
    if encoded[at - 1 : at] == b"<" or character == "<":
        return "a bare < is not XML, expected &lt;"
    if character and not character.isprintable():
        return f"the control character {character!a} is not XML, expected plain text"
    near = encoded[at : at + 20].decode(errors="ignore").partition("\n")[0]
    return f"this is not XML, near {shown(near)}, expected a well-formed tag"
