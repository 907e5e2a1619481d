# Shared by the scripts beside it: messages, root, apt, locks. Sourced, never run.
# shellcheck shell=bash

script=$(basename "$0")
# Debian leaves the system folders out of an ordinary user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cache=${XDG_CACHE_HOME:-$HOME/.cache}/chora

# Progress goes to stderr, so that stdout holds answers only.
note() { printf '%s: %s\n' "$script" "$*" >&2; }

# die MESSAGE NEXT-COMMAND
die() {
  printf '%s: %s\n' "$script" "$1" >&2
  [ $# -lt 2 ] || printf '  next: %s\n' "$2" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# The comment block at the top of the calling script is its help.
print_help() { sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif has sudo; then
    sudo "$@"
  else
    die "needs root for: $*" "run it again as root, or install sudo"
  fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 "$@" >&2 9>&-
}

# Installs Debian packages; refreshes the package lists only when that is needed.
apt_install() {
  has apt-get || die "needs the packages: $*; only Debian and Ubuntu are installed automatically" \
    "install them with this system's package manager, then run scripts/$script again"
  note "installing $*"
  apt_get install -y --no-install-recommends "$@" 2>/dev/null || {
    apt_get update
    apt_get install -y --no-install-recommends "$@"
  } || die "apt-get could not install: $*" "apt-get update && apt-get install $*"
}

# apt_ensure PACKAGE… installs those which are not installed.
apt_ensure() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

# Holds descriptor 9 until the script ends; what is left running must close it (9>&-).
take_lock() {
  mkdir -p "$cache"
  exec 9>"$cache/$1.lock"
  flock -n 9 || {
    note "waiting for another run of $script"
    flock 9
  }
}

# What the modules built here ask for at least, and what is fetched where Go is older.
go_version=1.25.9

go_is_new_enough() { printf 'go%s\n' "$go_version" "$(go env GOVERSION | sed 's/^go//')" | sort -V -C; }

# Puts a Go on PATH that is new enough. Debian's may be too old, but it can fetch a newer
# one: toolchains are published as modules, with checksums, from Go 1.21 on.
ensure_go() {
  local found module folder
  has go || [ ! -x /usr/local/go/bin/go ] || PATH=/usr/local/go/bin:$PATH
  has go || apt_ensure golang-go
  ! go_is_new_enough || return 0
  folder=$cache/go/$go_version
  if [ ! -x "$folder/bin/go" ]; then
    module=golang.org/toolchain@v0.0.1-go$go_version.$(go env GOOS)-$(go env GOARCH)
    note "fetching Go $go_version"
    found=$(cd / && GOFLAGS=-mod=mod go mod download -json "$module" 9>&- | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
    [ -n "$found" ] || die "could not fetch Go $go_version" "install Go $go_version or newer, then run scripts/$script again"
    mkdir -p "$cache/go"
    rm -rf "$folder.new"
    cp -r "$found" "$folder.new"
    chmod -R u+w "$folder.new"
    chmod +x "$folder.new"/bin/* "$folder.new"/pkg/tool/*/*
    mv -T "$folder.new" "$folder"
  fi
  export PATH=$folder/bin:$PATH GOTOOLCHAIN=local
  unset GOROOT
}

# go_build OUTPUT MODULE@VERSION TAGS PACKAGE… builds through a module of its own,
# because `go install package@version` refuses modules with exclude or replace lines.
# What is in go_ldflags goes to the linker as well.
go_build() {
  local output=$1 module=$2 tags=$3 work
  shift 3
  work=$(mktemp -d)
  note "building $module"
  (
    cd "$work"
    export GOFLAGS='-mod=mod -buildvcs=false' GOWORK=off
    go mod init chora.invalid/build
    go get "$module"
    go build -trimpath -ldflags "-s -w ${go_ldflags:-}" -tags "$tags" -o "$output" "$@"
  ) >"$work/log" 2>&1 9>&- || {
    tail -n 20 "$work/log" >&2
    die "could not build $module (log: $work/log)" "scripts/$script ${subcommand:-}"
  }
  rm -rf "$work"
}

# tested_program ROOT [PROGRAM]: the path of the program that is named, or of the one that the tests were built with.
tested_program() {
  local program=${2:-${CARGO_TARGET_DIR:-$1/target}/$(uname -m)-unknown-linux-musl/debug/chora}
  [ -x "$program" ] || die "there is no $program" "cargo test --workspace --no-run"
  realpath "$program"
}

# release_program ROOT: the program as it is measured, built from there unless CHORA names one; CHORA is its path afterwards.
release_program() {
  local target
  [ -z "${CHORA:-}" ] || return 0
  PATH="$("$1/scripts/toolchain.sh" --path):$PATH"
  target=$(uname -m)-unknown-linux-musl
  (cd "$1" && cargo build --quiet --release --locked --package chora --target "$target")
  CHORA=${CARGO_TARGET_DIR:-$1/target}/$target/release/chora
}
