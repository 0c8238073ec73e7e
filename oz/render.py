"""The Jinja2 environment: a name that is not known is an error, and values are escaped by the kind of file.

XML and HTML templates escape by themselves. Line formats and shell scripts say it where the value stands: `|line` for
a value that must stay on its line, `|q` for one word of a shell command, `|grub` for one word of a GRUB command,
`|inf` for a value of a setup information file, `|json`, `|perl` and `|powershell` for a value in these languages.
Comments are `{## ... ##}`, because `{#` is at home in shell scripts.
"""

import difflib
import json
import re
import shlex
import traceback
from typing import Any

import jinja2
import jinja2.nodes
from jinja2.sandbox import SandboxedEnvironment

from oz.errors import OzError, UsageError

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")


def _line(value: object) -> str:
    text = str(value)
    if _CONTROL.search(text):
        raise UsageError("a value with a line break or another control character cannot be put into an answer file")
    return text


def _quote(value: object) -> str:
    return shlex.quote(_line(value))


def _quote_grub(value: object) -> str:
    """One word as GRUB reads it: quoted like the shell's, as GRUB knows the same single quotes (GRUB manual 14.1)."""
    text = _line(value)
    return text if re.fullmatch(r"[\w@%+=:,./?-]+", text, re.ASCII) else "'" + text.replace("'", "'\\''") + "'"


def quote_inf(value: object) -> str:
    """A value in double quotes, as .inf and .sif files hold it. Raises UsageError for what they cannot hold.

    A quote would be doubled for one of their readers and left alone for another, and so a percent sign: SetupAPI
    (https://learn.microsoft.com/windows-hardware/drivers/install/general-syntax-rules-for-inf-files) undoubles
    them, GetPrivateProfileString does not.
    """
    text = _line(value)
    if not (text.isascii() and text.isprintable()) or re.search('["%]', text):
        raise UsageError(
            "a value with a letter beyond ASCII, a double quote or a percent sign cannot be put into a .sif file"
        )
    return f'"{text}"'


def _quote_perl(value: object) -> str:
    """A string in single quotes, in which a backslash makes a quote or a backslash and nothing else (perlop, "q")."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_powershell(value: object) -> str:
    """A string in single quotes, in which a doubled quote is one and nothing else means anything; PowerShell takes four
    more characters for the same quote (about_Quoting_Rules; its CodeGeneration.EscapeSingleQuotedStringContent)."""
    return "'" + re.sub("['\u2018-\u201b]", r"\g<0>\g<0>", str(value)) + "'"


def _quote_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _environment(kind: type[jinja2.Environment]) -> jinja2.Environment:
    environment = kind(
        loader=jinja2.PackageLoader("oz", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith((".xml", ".html")),
        comment_start_string="{##",
        comment_end_string="##}",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(line=_line, q=_quote, grub=_quote_grub, inf=quote_inf)
    environment.filters.update(json=_quote_json, perl=_quote_perl, powershell=quote_powershell)
    return environment


_own = _environment(jinja2.Environment)
_user = _environment(SandboxedEnvironment)


def render(template: str, /, **variables: Any) -> str:
    """A template of oz/templates, by its path there, filled in. Raises UsageError for a value that does not fit."""
    return _own.get_template(template).render(variables)


def render_text(text: str, name: str, /, **variables: Any) -> str:
    """A user's own template filled in; it cannot reach Python through its variables.

    `name` is the file the text came from; an error says it and the line. Raises UsageError.
    """
    try:
        _check_blocks(text, name)
        code = _user.compile(text, name=name, filename=name)
        return jinja2.Template.from_code(_user, code, _user.make_globals(None)).render(variables)
    except OzError:
        raise
    except jinja2.TemplateNotFound as error:
        close = difflib.get_close_matches(str(error.name), _user.list_templates(), n=3, cutoff=0.3)
        raise UsageError(
            f"{name}: it builds on {error.name!r}, which Oz has not", hint="perhaps " + ", ".join(close)
        ) from error
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"{name}:{error.lineno}: {error.message}", hint=_hint(variables)) from error
    except Exception as error:  # whatever an expression in the user's text does: wrong types, divisions, recursion
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
        raise UsageError(f"{name}:{lines[-1] if lines else 1}: {error}", hint=_hint(variables)) from error


def _check_blocks(text: str, name: str) -> None:
    """A block that what it extends has not would be left out without a word. Raises UsageError."""
    tree = _user.parse(text, name=name, filename=name)
    for parent in (node.template for node in tree.find_all(jinja2.nodes.Extends)):
        if isinstance(parent, jinja2.nodes.Const):
            known = _user.get_template(parent.value).blocks
            # One within another is shown wherever that is.
            for block in tree.body:
                if isinstance(block, jinja2.nodes.Block) and block.name not in known:
                    raise UsageError(
                        f"{name}:{block.lineno}: {parent.value} has no block {block.name!r}",
                        hint=f"its blocks are {', '.join(known)}" if known else "it has none: include it",
                    )


def _hint(variables: dict[str, Any]) -> str:
    return "the file is a Jinja2 template; its variables are " + ", ".join(sorted(variables))
