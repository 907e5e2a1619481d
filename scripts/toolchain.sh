#!/usr/bin/env bash
# Makes sure that what builds Chora is there; what is already there is used as it is.
#
#   scripts/toolchain.sh          install what is missing, print nothing when all is there
#   scripts/toolchain.sh --path   the same, then print the folder that holds cargo, for PATH
#
# The Rust version comes from rust-toolchain.toml, with rustfmt, clippy and the target
# $(uname -m)-unknown-linux-musl; musl-gcc comes from the Debian package musl-tools.
# Where there is no rustup it is installed: from apt (Debian 13, Ubuntu 24.04), else with
# its own installer, which needs curl. Neither touches the shell's start-up files, so a
# new shell may not find cargo: `make` asks for --path.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

# Where rustup's installer comes from; rustup's own variable names another place.
rustup_root=${RUSTUP_UPDATE_ROOT:-https://static.rust-lang.org/rustup}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin
root=$(cd "$(dirname "$0")/.." && pwd)
target=$(uname -m)-unknown-linux-musl
host=$(uname -m)-unknown-linux-gnu

pinned_version() {
  local file=$root/rust-toolchain.toml version
  version=$(sed -n 's/^channel *= *"\([^"]*\)".*/\1/p' "$file" 2>/dev/null) || true
  [ -n "$version" ] || die "no channel in $file" "git checkout rust-toolchain.toml"
  printf '%s\n' "$version"
}

# rust_is_there VERSION looks at files only: asking rustup takes ten times as long.
rust_is_there() {
  local sysroot=$rustup_home/toolchains/$1-$host part
  if ! has rustup && has rustc; then
    # A toolchain without rustup serves as well, when it is the right one.
    [ "$(rustc --version | cut -d' ' -f2)" = "$1" ] || return 1
    sysroot=$(rustc --print sysroot)
  fi
  for part in cargo rustc rustfmt cargo-fmt cargo-clippy clippy-driver; do
    [ -x "$sysroot/bin/$part" ] || return 1
  done
  compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null
}

install_rustup() {
  note "installing rustup"
  if apt-cache policy rustup 2>/dev/null | grep -q '^ *Candidate: [0-9]'; then
    apt_install rustup
    return
  fi
  has curl || apt_install curl ca-certificates
  curl --proto '=https' --tlsv1.2 --retry 3 -fsSL "$rustup_root/rustup-init.sh" 9>&- |
    RUSTUP_INIT_SKIP_PATH_CHECK=yes sh -s -- -y --quiet --no-modify-path --profile minimal \
      --default-toolchain none >&2 ||
    die "could not install rustup from $rustup_root" "install rustup by hand, then run scripts/$script again"
  PATH=$cargo_bin:$PATH
}

install_rust() {
  has rustup || install_rustup
  note "installing Rust $1 with rustfmt, clippy and the target $target"
  rustup toolchain install "$1" --no-self-update --profile minimal \
    --component rustfmt --component clippy --target "$target" >&2 ||
    die "rustup could not install Rust $1" "rustup toolchain install $1 --target $target"
  rust_is_there "$1" || die "Rust $1 is installed, but not complete" "rustup toolchain uninstall $1"
}

case ${1:-} in
  -h | --help) print_help && exit ;;
  '' | --path) ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

has cargo || PATH=$cargo_bin:$PATH
version=$(pinned_version)
if ! rust_is_there "$version" || ! has musl-gcc; then
  take_lock toolchain
  rust_is_there "$version" || install_rust "$version"
  has musl-gcc || apt_install musl-tools
fi
[ "${1:-}" != --path ] || dirname "$(command -v cargo)"
