#!/usr/bin/env bash
# Fuzzes every parser, each for FUZZ_SECONDS (60 unless set).
#
#   scripts/fuzz.sh              all targets of fuzz/
#   scripts/fuzz.sh TARGET…      these
#
# A crash ends the run; its input stays in fuzz/artifacts/. Seeds come from fuzz/seeds/TARGET/,
# inputs that reach new code go to fuzz/corpus/TARGET/, which is not committed. cargo-fuzz and the nightly toolchain it needs are
# installed where they are missing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"
cd "$(dirname "$0")/.."

case ${1:-} in
  -h | --help) print_help && exit ;;
esac

folder=$(scripts/toolchain.sh --path)
export PATH=$folder:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
# The sanitizers are there for the machine's own target only.
unset CARGO_BUILD_TARGET
has rustup || die "needs rustup, for a nightly toolchain" "install rustup, then run scripts/$script again"
cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --no-self-update --profile minimal >&2
has c++ || apt_install g++
has cargo-fuzz || cargo install cargo-fuzz --locked --quiet

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)
[ ${#targets[@]} -gt 0 ] || die "there are no fuzz targets in fuzz/" "cargo fuzz add NAME"
for target in "${targets[@]}"; do
  note "$target for ${FUZZ_SECONDS:-60} s"
  inputs=("fuzz/corpus/$target")
  mkdir -p "${inputs[0]}"
  [ ! -d "fuzz/seeds/$target" ] || inputs+=("fuzz/seeds/$target")
  cargo +nightly fuzz run "$target" "${inputs[@]}" -- -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=2048 -timeout=10 ||
    die "$target: a crash" "cargo +nightly fuzz fmt $target fuzz/artifacts/$target/…"
done
note "${#targets[@]} targets without a crash"
