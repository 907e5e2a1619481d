#!/usr/bin/env bash
# Builds the static binary as it is released, and prints its path.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"
cd "$(dirname "$0")/.."

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

folder=$(scripts/toolchain.sh --path)
export PATH=$folder:$PATH
target=$(uname -m)-unknown-linux-musl
cargo build --profile dist --package chora --locked --target "$target" ||
  die "the build failed" "read what is above"
binary=${CARGO_TARGET_DIR:-target}/$target/dist/chora
note "$(stat -c %s "$binary" | numfmt --to=iec-i --suffix=B), static"
printf '%s\n' "$binary"
