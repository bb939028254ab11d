#!/usr/bin/env bash
# tools/bare_debian.sh FOLDER [command...]: proves that a bare Debian 12 is enough.
#
# Makes an empty Debian 12 in FOLDER (debootstrap: the minimal base system, git, certificates),
# clones this checkout's committed state into it, and there runs each command, by default ./demo.sh,
# ./demo.sh once more, and ./test.sh. Output goes to FOLDER/transcript.txt too. Run again, it keeps
# the base system and makes a new clone.
#
# Needs root, debootstrap and a network. DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR name other
# mirrors; without them, those of this machine's own apt sources are taken, else Debian's.
# An http proxy in the environment is used as it is. tools/bare_debian.sh --remove FOLDER unmounts
# and deletes it.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/setup.sh

remove=no
if [ "${1:-}" = --remove ]; then remove=yes; shift; fi
folder=$(realpath -m "${1:?usage: tools/bare_debian.sh FOLDER [command...]}")
shift
[ "$(id -u)" -eq 0 ] || die "debootstrap and chroot need root" "sudo tools/bare_debian.sh $folder"

unmount() {
  local mount
  for mount in dev/pts dev proc sys; do
    if mountpoint -q "$folder/$mount"; then umount "$folder/$mount"; fi
  done
}
trap unmount EXIT

if [ $remove = yes ]; then
  unmount
  [ -f "$folder/etc/debian_version" ] || die "$folder is no Debian tree" "name the right folder"
  rm -rf --one-file-system "$folder"
  exit 0
fi

# The first address in this machine's apt sources that matches, or the default.
own_mirror() {
  local pattern=$1 default=$2 found
  found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
    /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -nE 's/^(deb( \[[^]]*\])?|URIs:) +(https?:[^ ]+).*/\3/p' | grep -E "$pattern" | head -n 1) || true
  echo "${found:-$default}"
}
mirror=${DEBIAN_MIRROR:-$(own_mirror '/debian/?$' http://deb.debian.org/debian)}
security=${DEBIAN_SECURITY_MIRROR:-$(own_mirror 'security' http://deb.debian.org/debian-security)}

if [ ! -f "$folder/etc/debian_version" ]; then
  say "Making an empty Debian 12 in $folder"
  command -v debootstrap >/dev/null || die "debootstrap is missing" "apt-get install debootstrap"
  logged "$folder.log" debootstrap --variant=minbase --include=git,ca-certificates \
    bookworm "$folder" "$mirror" || die "debootstrap failed" "see $folder.log; check DEBIAN_MIRROR"
fi
cat >"$folder/etc/apt/sources.list" <<LIST
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb $security bookworm-security main
LIST
cp -L /etc/resolv.conf "$folder/etc/resolv.conf"
for mount in proc sys dev dev/pts; do mount --bind "/$mount" "$folder/$mount"; done

# What is committed, and nothing else: no build folder, no files beside the checkout.
rm -rf "$folder/root/bantam"
git bundle create -q "$folder/root/bantam.bundle" HEAD
inside() { chroot "$folder" /usr/bin/env HOME=/root LANG=C.UTF-8 bash -c "$1"; }
inside 'git -c advice.detachedHead=false clone -q /root/bantam.bundle /root/bantam'

[ $# -gt 0 ] || set -- ./demo.sh ./demo.sh ./test.sh
: >"$folder/transcript.txt"
for command in "$@"; do
  printf '\n$ %s\n' "$command" | tee -a "$folder/transcript.txt"
  started=$(date +%s)
  inside "cd /root/bantam && $command" 2>&1 | tee -a "$folder/transcript.txt" ||
    die "$command failed in the bare system" "see $folder/transcript.txt"
  echo "(took $(($(date +%s) - started)) s)" | tee -a "$folder/transcript.txt"
done
