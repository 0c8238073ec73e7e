#!/bin/bash
# Proves the make targets on a fresh Debian: a chroot made by debootstrap, with a clone of this checkout in it.
#
#   tests/chroot-proof.sh SUITE USER DIRECTORY [TARGET...]
#
# SUITE is bookworm or trixie; USER is root, or any other name: an ordinary user with sudo, made in the chroot. DIRECTORY
# keeps the bare system of each suite for the next time. TARGET are those of the Makefile, by default test and demo.
# What this machine needs to reach the network (apt's sources and settings, certificates, pip's and proxies' settings,
# name servers) is handed into the chroot. Prints the seconds of each target. Needs root and debootstrap.
set -euo pipefail

if (($# < 3 || EUID)); then
  sed -n '2,11s/^# \?//p' "$0" >&2
  exit 2
fi
suite=$1 user=$2 directory=$(realpath -m "$3")
shift 3
targets=("${@:-test demo}")
(($#)) || targets=(test demo)
checkout=$(cd "$(dirname "$0")/.." && pwd)
base=$directory/$suite.tar
root=$directory/$suite-$user
mkdir -p "$directory"

# The main archive among this machine's apt sources, as the CD builder finds it.
mirror=${OZ_DEBIAN_MIRROR:-$(cd "$checkout/tests/media" && python3 -c 'import mirror; print(mirror.find_mirror())')}

leave() {
  # Lazily, since a gpg or dirmngr may linger; nothing is removed before nothing is mounted.
  for mounted in dev/pts dev/shm dev proc sys; do
    mountpoint -q "$root/$mounted" && umount -l "$root/$mounted"
  done
  return 0
}
trap leave EXIT
leave
if grep -q " $root/" /proc/mounts; then
  echo "something is still mounted below $root" >&2
  exit 1
fi
rm -rf --one-file-system "$root"
mkdir "$root"

if [[ -e $base ]]; then
  tar -xf "$base" -C "$root"
else
  start=$SECONDS
  debootstrap --variant=minbase --include=make,git,sudo,ca-certificates "$suite" "$root" "$mirror" >"$directory/$suite.log"
  rm -rf "$root"/var/cache/apt/archives/*.deb
  tar -cf "$base.new" --one-file-system -C "$root" .
  mv "$base.new" "$base"
  echo "$suite: debootstrap $((SECONDS - start)) s"
fi

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys" && mount --make-rslave "$root/sys"
mount --rbind /dev "$root/dev" && mount --make-rslave "$root/dev"

# The network as this machine knows it.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
find /etc/apt/apt.conf.d -type f -newer /etc/debian_version -exec cp -t "$root/etc/apt/apt.conf.d" {} +
[[ ! -e /etc/pip.conf ]] || cp /etc/pip.conf "$root/etc/"
[[ ! -d /etc/ssl/certs ]] || cp -aL /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo "deb $mirror $suite main" >"$root/etc/apt/sources.list"
passed=()
while IFS='=' read -r -d '' name value; do
  case $name in
    PIP_FIND_LINKS) ;;
    PIP_* | *_proxy | *_PROXY | SSL_CERT_* | REQUESTS_CA_BUNDLE | CURL_CA_BUNDLE | GIT_SSL_CAINFO | OZ_DEBIAN_MIRROR)
      passed+=("$name=$value") ;;
  esac
done < <(env -0)

home=/root
if [[ $user != root ]]; then
  home=/home/$user
  chroot "$root" useradd --create-home --shell /bin/bash "$user"
  echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$user"
fi
git clone --quiet --no-hardlinks "$checkout" "$root$home/oz"
chroot "$root" chown -R "$user:" "$home/oz"

status=0
for target in "${targets[@]}"; do
  start=$SECONDS
  chroot --userspec="$user:$user" "$root" /usr/bin/env -i HOME="$home" USER="$user" LOGNAME="$user" LANG=C.UTF-8 \
    PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "${passed[@]}" \
    make -C "$home/oz" "$target" </dev/null >"$directory/$suite-$user-$target.log" 2>&1 || status=$?
  echo "$suite, $user: make $target: status $status, $((SECONDS - start)) s (log: $directory/$suite-$user-$target.log)"
  ((status == 0)) || break
done
exit "$status"
