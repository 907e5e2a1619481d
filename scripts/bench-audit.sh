#!/usr/bin/env bash
# Times `chora audit` on what `chora init` writes for each pattern; prints medians in milliseconds. Measurements, not tests.
#
# Environment: CHORA (a built binary), ROUNDS (21).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${CHORA:-}" ]; then
  PATH="$("$root/scripts/toolchain.sh" --path):$PATH"
  target=$(uname -m)-unknown-linux-musl
  (cd "$root" && cargo build --quiet --release --locked --package chora --target "$target")
  CHORA=${CARGO_TARGET_DIR:-$root/target}/$target/release/chora
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for pattern in minimal mcp-server full-stack; do
  project=$work/$pattern
  mkdir "$project"
  "$CHORA" init --quiet --project "$project" --pattern "$pattern" --set name=notes --set language=python >/dev/null
  for _ in $(seq "${ROUNDS:-21}"); do
    begin=${EPOCHREALTIME/./}
    "$CHORA" audit --project "$project" >/dev/null
    echo $((${EPOCHREALTIME/./} - begin))
  done | sort -n | awk -v pattern="$pattern" '{ all[NR] = $1 } END { printf "audit %-12s %6.1f ms\n", pattern, all[int((NR + 1) / 2)] / 1000 }'
done
