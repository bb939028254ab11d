# What ./demo.sh and ./test.sh share: messages, and packages that are installed once. Sourced.

say() { printf '\n==> %s\n' "$*"; }

# die WHAT MEND: one line that says what went wrong, and how to mend it.
die() {
  printf '\n%s: %s. Mend: %s\n' "$(basename "$0")" "$1" "$2" >&2
  exit 1
}

# Runs a command with its output in a log; shows the end of the log when it fails.
logged() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 || { tail -n 15 "$log" >&2; return 1; }
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages FILE...: installs what the files list and the machine lacks; nothing, and in no
# time, when all is there.
install_packages() {
  local wanted missing=() package
  wanted=$(grep -hv '^#' "$@")
  command -v dpkg-query >/dev/null ||
    die "this is not a Debian system" "install the counterparts of $* by hand and comment this out"
  for package in $wanted; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  say "Installing ${#missing[@]} Debian packages (log: build/install.log)"
  printf '    %s\n' "${missing[*]}"
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
    die "packages are missing and there is no sudo" "run as root: apt-get install ${missing[*]}"
  logged build/install.log as_root apt-get update ||
    die "apt-get update failed" "check the network and /etc/apt/sources.list"
  logged build/install.log as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}" ||
    die "apt-get install failed" "see build/install.log; bantam needs Debian 12 (bookworm)"
}

# configure PRESET [option...]: quick when nothing changed; the log is shown only on failure.
configure() {
  local preset=$1
  logged "build/configure-$preset.log" cmake --preset "$@" ||
    die "cmake cannot configure" "see build/configure-$preset.log; delete build/$preset to start over"
}

# build PRESET TARGET...: ninja shows its progress.
build() {
  local preset=$1
  shift
  ninja -C "build/$preset" "$@" ||
    die "the build failed" "see the first error above; delete build/$preset to start over"
}
