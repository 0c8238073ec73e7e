"""Completion for bash, made from the programs' parsers: options, their values, files, and names of systems."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

_BY_METAVAR = {
    "TDL": "files *.tdl *.xml",
    "IMAGE-OR-XML": "files *.xml *.dsk *.raw *.qcow2 *.qed *.vdi *.vhdx *.vmdk *.vpc",
    "DIR": "directories",
    "FILE": "files",
    "PATH": "files",
    "0-4": "words 0 1 2 3 4",
}
_MODES = {"--identify": "files *.[iI][sS][oO] *.[iI][mM][gG]", "--list-guests": "systems"}
"""Options that make something else of the arguments than templates."""

_FUNCTIONS = r"""
_oz_reply() {
  local kind=$1 word=$2 program=$3 pattern
  local -a patterns=()
  case ${kind%% *} in
    words)
      mapfile -t COMPREPLY < <(compgen -W "${kind#words }" -- "$word")
      ;;
    systems)
      # Of the program that is here, and once a shell: it takes a moment.
      [[ $_oz_systems ]] || _oz_systems=$("$program" --list-guests 2>/dev/null | sed '1d; s/ .*//' | sort -u)
      mapfile -t COMPREPLY < <(compgen -W "$_oz_systems" -- "$word")
      ;;
    directories)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$word")
      ;;
    files)
      compopt -o filenames 2>/dev/null
      # Not split by the shell, which would look for files of these names.
      read -ra patterns <<<"${kind#files}"
      for pattern in "${patterns[@]}"; do
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -X "!$pattern" -- "$word")
      done
      ((${#COMPREPLY[@]})) && mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$word")
      ((${#COMPREPLY[@]})) || mapfile -t COMPREPLY < <(compgen -f -- "$word")
      # What is quoted, readline alone can read.
      ((${#COMPREPLY[@]})) || compopt -o default 2>/dev/null
      ;;
  esac
}

_oz() {
  local name=${1##*/} word=${COMP_WORDS[COMP_CWORD]} each pending='' mode='' ended='' i place=0
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    each=${COMP_WORDS[i]}
    if [[ $each == '=' ]]; then
      continue
    elif [[ $pending ]]; then
      pending=''
    elif [[ $ended || $each != -?* ]]; then
      ((++place))
    elif [[ $each == -- ]]; then
      ended=yes
    else
      pending=${_oz_values[$name $each]:-}
      mode=${_oz_modes[$name $each]:-$mode}
    fi
  done
  [[ $word == '=' ]] && word=''
  if [[ ! $pending && ! $ended && $word == -* ]]; then
    pending="words ${_oz_options[$name]}"
  fi
  pending=${pending:-${mode:-${_oz_arguments[$name $place]:-${_oz_arguments[$name *]:-}}}}
  _oz_reply "${pending:-words ${_oz_options[$name]}}" "$word" "$1"
}
"""


def bash_script(parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    """What bash reads to complete the command lines of these programs, by their names."""
    options: dict[str, str] = {}
    values: dict[str, str] = {}
    modes: dict[str, str] = {}
    arguments: dict[str, str] = {}
    for program, parser in parsers.items():
        actions = parser._actions
        options[program] = " ".join(name for action in actions for name in action.option_strings)
        for action in actions:
            for name in action.option_strings:
                if action.nargs != 0:
                    values[f"{program} {name}"] = _kind(action)
                if name in _MODES:
                    modes[f"{program} {name}"] = _MODES[name]
        for place, action in enumerate(action for action in actions if not action.option_strings):
            arguments[f"{program} {'*' if action.nargs == '*' else place}"] = _kind(action)
    tables = {"options": options, "values": values, "modes": modes, "arguments": arguments}
    lines = ["# Completion of Oz's programs for bash, made by oz-install --completion bash.", "_oz_systems=''"]
    for table, rows in tables.items():
        lines += _table(table, rows)
    return "\n".join(lines) + "\n" + _FUNCTIONS + f"\ncomplete -F _oz {' '.join(parsers)}\n"


def _kind(action: argparse.Action) -> str:
    if action.choices:
        return f"words {' '.join(map(str, action.choices))}"
    metavar = str(action.metavar)
    # "nothing" still says that the next word is a value and no argument.
    return _BY_METAVAR.get(metavar, "files" if action.type is Path else "nothing")


def _table(name: str, rows: Mapping[str, str]) -> Iterator[str]:
    # -g: bash-completion reads the file inside a function.
    yield f"declare -gA _oz_{name}=("
    for key, value in rows.items():
        yield f"  ['{key}']='{value}'"
    yield ")"
