#!/usr/bin/env bash
# tools/arm64_sysroot.sh FOLDER: unpacks Debian's arm64 libraries into FOLDER, for cross-building.
#
# They are those that packages.txt and packages-test.txt name for this machine, and what they
# depend on, C and C++ library included; apt checks their signatures. Nothing is installed, and
# nothing outside FOLDER changes. Does nothing when FOLDER is complete.
set -euo pipefail
lists=("$(dirname "$0")"/../packages.txt "$(dirname "$0")"/../packages-test.txt)
mkdir -p "$1"
root=$(cd "$1" && pwd)
wanted=$(grep -hE '^lib.*-dev$' "${lists[@]}" | grep -v '^libclang' | sort)
if [ "$(cat "$root/.complete" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

# An apt of its own: another architecture, an empty system, the sources of this machine's Debian.
rm -rf "$root"
mkdir -p "$root/.apt/state/lists/partial" "$root/.apt/cache/archives/partial"
: >"$root/.apt/status"
cat >"$root/.apt/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures "arm64";
APT::Sandbox::User "root";
Debug::NoLocking "1";
Dir::State "$root/.apt/state";
Dir::State::status "$root/.apt/status";
Dir::Cache "$root/.apt/cache";
END
export APT_CONFIG=$root/.apt/apt.conf
apt-get -q update
# shellcheck disable=SC2086  # a list of words
apt-get -q -y --no-install-recommends --download-only install $wanted

for package in "$root"/.apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
# Links to /lib/… would lead out of the folder.
find "$root" -type l -lname '/*' | while read -r link; do
  ln -sfnr "$root$(readlink "$link")" "$link"
done
rm -rf "$root/.apt" "$root/usr/share" "$root/usr/src"
echo "$wanted" >"$root/.complete"
