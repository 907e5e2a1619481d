#!/usr/bin/env bash
# Deploys Chora's own MCP server with Chora: v1, v2, a v3 that is refused, a rollback. `demo.sh clean` removes it all.
#
# Environment: CHORA_DEMO_PORT (8808), CHORA (a built binary to use instead of building one).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=${XDG_CACHE_HOME:-$HOME/.cache}/chora/demo
export PORT=${CHORA_DEMO_PORT:-8808}

say() { printf '\n\033[1m── %s\033[0m\n' "$*"; }
run() {
    printf '\033[2m$ chora %s\033[0m\n' "$*"
    "$state/chora" --project "$state" "$@"
}
# Runs a command that has to end with a given exit code.
refused() {
    local wanted=$1 code=0
    shift
    run "$@" || code=$?
    if [ "$code" != "$wanted" ]; then
        echo "expected exit code $wanted, got $code" >&2
        exit 1
    fi
    printf '\033[2m(exit code %s)\033[0m\n' "$code"
}

if [ "${1:-}" = --help ]; then
    sed -n '2,4s/^# \{0,1\}//p' "$0"
    exit 0
fi

DOCKER_HOST=$("$root/scripts/engine.sh" oldest)
export DOCKER_HOST

clean() {
    if [ -x "$state/chora" ]; then
        VERSION=any "$state/chora" --project "$state" down --env production --volumes --yes
    fi
    docker_images=$(docker image ls --quiet --filter label=com.docker.compose.project=chora-demo-production 2>/dev/null | sort -u || true)
    for image in $docker_images; do docker image rm --force "$image" >/dev/null; done
    rm -rf "$state"
}

if [ "${1:-}" = clean ]; then
    clean
    echo "the demo is gone"
    exit 0
fi

if [ -z "${CHORA:-}" ]; then
    say "build the static binary"
    "$root/scripts/toolchain.sh"
    PATH="$("$root/scripts/toolchain.sh" --path):$PATH"
    target=$(uname -m)-unknown-linux-musl
    (cd "$root" && cargo build --quiet --release --locked --package chora --target "$target")
    CHORA=${CARGO_TARGET_DIR:-$root/target}/$target/release/chora
fi
# A demo that was left half-way starts again from nothing.
[ -d "$state" ] && clean
mkdir -p "$state"
cp -r "$root/examples/demo/." "$state/"
cp "$CHORA" "$state/chora"
began=$(date +%s)

say "v1: nothing runs yet"
VERSION=v1 run deploy --version v1
say "v1 on five levels"
VERSION=v1 run health
say "what it offers, recorded as its contract"
VERSION=v1 run contract record mcp
say "v2: a new image, another tool; the plan first"
export TOOLS=status,history,health,ps,config
VERSION=v2 run plan --version v2
VERSION=v2 run deploy --version v2
say "v3: starts, answers, and does not offer what its contract says"
TOOLS=status VERSION=v3 refused 10 deploy --version v3
say "v2 still serves"
run probe mcp "http://127.0.0.1:$PORT/mcp"
VERSION=v2 run status
say "back to v1"
VERSION=v2 run rollback v1
say "what happened"
VERSION=v1 run history
VERSION=v1 run events
say "done in $(($(date +%s) - began)) s; \`make demo-clean\` removes everything"
