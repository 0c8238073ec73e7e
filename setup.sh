#!/bin/bash
# Sets up what Oz needs on this machine; does only what is missing, and can be interrupted and repeated.
#
#   setup.sh packages FOR...   the Debian packages of debian-packages.txt for these purposes (run, media, test)
#   setup.sh python [EXTRA]    the virtual environment .venv with Oz, editable, and an extra of setup.py
set -euo pipefail
cd "$(dirname "$0")"

fail() {
  printf 'setup.sh: %s\n' "$@" >&2
  exit 1
}

install_packages() {
  # As a pattern: one of those asked for among those of a line, such as run,media.
  local asked missing=() name purposes _
  asked=$(IFS='|'; echo ",($*),")
  while read -r name purposes _; do
    [[ -z $name || $name == '#'* ]] && continue
    [[ ",$purposes," =~ $asked ]] || continue
    [[ $(dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | head -n 1) == installed ]] || missing+=("$name")
  done <debian-packages.txt
  ((${#missing[@]})) || return 0

  local as_root=()
  if ((EUID)); then
    command -v sudo >/dev/null ||
      fail "packages are missing and there is no sudo; ask root for: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  echo "installing ${#missing[@]} Debian packages: ${missing[*]}"
  # Through env, since sudo resets the environment.
  local settings=(env DEBIAN_FRONTEND=noninteractive)
  local apt=("${as_root[@]}" "${settings[@]}" apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  # An installation that was interrupted is finished first: apt refuses to work otherwise.
  "${as_root[@]}" "${settings[@]}" dpkg --configure -a </dev/null
  "${apt[@]}" update </dev/null || fail "apt-get update failed: is the network up?"
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null ||
    fail "apt-get install failed; see its messages above"
}

# libvirt's driver, when root runs it, demands the user that its daemon's package would make, though ours runs QEMU as
# root itself (virQEMUDriverConfigNew looks it up before it reads any setting).
make_user() {
  if ((EUID)) || { id -u libvirt-qemu && getent group libvirt-qemu; } >/dev/null 2>&1; then
    return
  fi
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin libvirt-qemu
}

find_python() {
  local python
  for python in /usr/bin/python3 python3; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  fail "Oz needs Python 3.11 or later; this machine's python3 is older or missing"
}

install_python() {
  local extra=${1:-} python stamp wanted
  python=$(find_python)
  stamp=.venv/installed${extra:+-$extra}
  # What was asked for and installed: another setup.py or another Python means again.
  wanted=$({ cat setup.py; "$python" -V; pwd; } | sha256sum)
  if [[ -e $stamp && $(<"$stamp") == "$wanted" ]] && .venv/bin/python -c 'import oz' 2>/dev/null; then
    return
  fi
  if ! .venv/bin/python -c 'import pip, sys; sys.exit(sys.prefix != sys.argv[1])' "$PWD/.venv" 2>/dev/null; then
    rm -rf .venv
    "$python" -m venv .venv
  fi
  echo "installing Oz and its Python packages in .venv"
  .venv/bin/python -m pip --quiet --disable-pip-version-check install --editable ".${extra:+[$extra]}" </dev/null ||
    fail "pip failed; see its messages above"
  echo "$wanted" >.venv/installed
  echo "$wanted" >"$stamp"
}

case ${1:-} in
  packages)
    install_packages "${@:2}"
    [[ " ${*:2} " != *" run "* ]] || make_user
    ;;
  python)
    install_python "${@:2}"
    # An editable installation has none; man looks for them beside the bin of PATH.
    .venv/bin/python docs/man/pages.py .venv
    ;;
  *) fail "usage: setup.sh packages FOR... | setup.sh python [EXTRA]" ;;
esac
