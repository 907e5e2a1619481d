#!/usr/bin/env bash
# Times `chora audit` on what `chora init` writes for each pattern; prints medians in milliseconds. Measurements, not tests.
#
# Environment: CHORA (a built binary), ROUNDS (21).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"
root=$(cd "$(dirname "$0")/.." && pwd)
release_program "$root"
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
