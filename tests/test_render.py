import configparser
import json
import re
import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oz import render
from oz.errors import UsageError


def test_a_template_of_the_package_is_filled_in() -> None:
    assert 'Acquire::https::host.example::Verify-Peer "false";' in render.render("repo/apt.conf", host="host.example")


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\x00b", "a\x1bb", "a\u2028b"])
def test_a_value_that_would_end_its_line_is_refused_without_showing_it(bad: str) -> None:
    with pytest.raises(UsageError, match="control character") as caught:
        render.render("repo/apt.conf", host=bad)
    assert bad not in str(caught.value)


def test_an_unknown_name_in_a_users_file_is_said_with_file_and_line() -> None:
    with pytest.raises(UsageError, match=r"mine\.cfg:3: 'nonec' is undefined(.|\n)*variables are nonce, tdl"):
        render.render_text("one\ntwo\n{{ nonec }}\n", "mine.cfg", nonce="1", tdl=None)


def test_a_syntax_error_in_a_users_file_is_said_with_file_and_line() -> None:
    with pytest.raises(UsageError, match=r"mine\.cfg:2: "):
        render.render_text("one\n{% if %}\n", "mine.cfg")


def test_a_failing_expression_in_a_users_file_is_said_with_file_and_line() -> None:
    with pytest.raises(UsageError, match=r"mine\.cfg:2: .*zero"):
        render.render_text("\n{{ 1 // 0 }}\n", "mine.cfg")


def test_a_users_file_cannot_reach_python() -> None:
    with pytest.raises(UsageError, match=r"mine\.cfg:1: access to attribute '__class__'"):
        render.render_text("{{ name.__class__.__mro__ }}", "mine.cfg", name="x")


def test_a_users_file_that_is_no_template_stays_as_it_is() -> None:
    text = "d-i preseed/late_command string v=abc; echo ${#v} > /x\n# {root :: $primary{ } }\n"
    assert render.render_text(text, "mine.cfg") == text


def test_xml_escapes_by_itself() -> None:
    assert render.render_text("<a>{{ b }}</a>", "answer.xml", b="<&>") == "<a>&lt;&amp;&gt;</a>"


_ONE_LINE = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60)


@given(_ONE_LINE)
@settings(max_examples=200)
def test_an_inf_value_is_read_back_or_refused(value: str) -> None:
    reader = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=(";",))
    try:
        reader.read_string(f"[s]\nk={render.quote_inf(value)}\n")
    except UsageError:
        assert re.search('["%]', value) or not (value.isascii() and value.isprintable())
    else:
        assert reader["s"]["k"] == f'"{value}"'


@given(_ONE_LINE)
@settings(max_examples=200)
def test_a_quoted_word_is_one_word_of_a_shell(word: str) -> None:
    assert shlex.split(render.render_text("{{ word | q }}", "x", word=word)) == [word]


@pytest.mark.parametrize("word", ["a'b", "$HOME", "a;b", "{a}", 'say="x y"', "#x", "a\\b", "ä"])
def test_a_quoted_word_is_one_that_grub_takes(word: str) -> None:
    script = render.render("boot/grub.cfg", kernel="/k", initrd="/i", arguments=word.replace(" ", "_"))
    checked = subprocess.run(["grub-script-check"], input=script.encode(), capture_output=True)
    assert checked.returncode == 0, checked.stderr


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=60)))
@settings(max_examples=20, deadline=None)
def test_perl_and_json_read_back_what_was_quoted_for_them(values: list[str]) -> None:
    text = render.render_text("[{% for value in values %}{{ value | perl }}, {% endfor %}]", "x.pl", values=values)
    program = "my @found = @{eval <STDIN>}; die $@ if $@; print map { $_, qq(\\0) } @found"
    said = subprocess.run(["perl", "-0777", "-e", program], input=text.encode(), capture_output=True, check=True).stdout
    assert said.decode().split("\0")[:-1] == values
    assert json.loads(render.render_text("{{ values | json }}", "x.json", values=values)) == values


def test_what_an_answer_file_builds_on_is_there() -> None:
    own = '{% extends "preseed/preseed.cfg" %}{% block clock %}{% block mine %}x{% endblock %}{% endblock %}'
    with pytest.raises(UsageError, match="is undefined"):
        render.render_text(own, "ks")
    with pytest.raises(UsageError, match=r"a:2: preseed/preseed.cfg has no block 'package'\n  hint: its .*packages"):
        render.render_text('{% extends "preseed/preseed.cfg" %}\n{% block package %}{% endblock %}', "a")
    with pytest.raises(UsageError, match=r"ks: it builds on 'kickstart/ks', which Oz has not\n.*kickstart/ks.cfg"):
        render.render_text('{% include "kickstart/ks" %}', "ks")
