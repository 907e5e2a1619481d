#!/usr/bin/env bash
# Measures Chora against Docker Compose v5 and the bare engine calls, on the newest engine, in one run; prints ratios.
#
# Environment: CHORA (a built binary), ROUNDS (5). Figures are medians; these are measurements, not tests.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"
root=$(cd "$(dirname "$0")/.." && pwd)
DOCKER_HOST=$("$root/scripts/engine.sh" "${BENCH_ENGINE:-newest}")
export DOCKER_HOST
"$root/scripts/oracles.sh" build >/dev/null
compose=$("$root/scripts/oracles.sh" path)
release_program "$root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exec_bench() { python3 "$root/benches/against_compose.py" --chora "$CHORA" --compose "$compose" --work "$work" --corpus "$root/crates/chora-syntax/testdata/corpus" --rounds "${ROUNDS:-5}"; }
exec_bench
