#!/usr/bin/env bash
# Takes real MCP clients through `chora bridge`, before the reference "everything" server on standard streams: the official
# TypeScript SDK, FastMCP's client, the inspector's command line, and mcp-remote for clients that can only start a program.
#
#   scripts/bridge-clients.sh
#
# All clients are connected at once. Each lists the tools and calls one that reports progress, and again after the bridge was
# told to end and started anew, and after it was killed; once with one process of the server for all, once with one for every
# session. The number of steps is another one for every client: what belongs to another client is noticed.
#
# Environment: CHORA (a built binary; the newest in target/ unless named). The clients are kept in
# ${XDG_CACHE_HOME:-~/.cache}/chora/bridge-clients/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"
root=$(cd "$(dirname "$0")/.." && pwd)
programs=$root/scripts/bridge-clients

sdk=1.32.2
inspector=2.12.0
mcp_remote=0.15.1
everything=2026.8.31
fastmcp=4.1.2
folder=$cache/bridge-clients/$sdk-$inspector-$mcp_remote-$everything-$fastmcp
modules=$folder/node_modules

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

fetch() {
  apt_ensure python3-venv
  note "fetching the TypeScript SDK $sdk, the inspector $inspector, mcp-remote $mcp_remote and FastMCP $fastmcp"
  rm -rf "$folder"
  mkdir -p "$folder"
  npm install --prefix "$folder" --no-fund --no-audit --silent "@modelcontextprotocol/sdk@$sdk" "mcp-remote@$mcp_remote" \
    "@modelcontextprotocol/inspector@$inspector" "@modelcontextprotocol/server-everything@$everything" >&2 9>&- ||
    die "could not fetch the clients from npm" "scripts/$script"
  python3 -m venv "$folder/venv" >&2
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "fastmcp==$fastmcp" >&2 9>&- ||
    die "could not fetch FastMCP" "scripts/$script"
  touch "$folder/complete"
}

if [ -z "${CHORA:-}" ]; then
  for build in debug release dist; do
    found=$root/target/$(uname -m)-unknown-linux-musl/$build/chora
    if [ -x "$found" ] && [ "$found" -nt "${CHORA:-}" ]; then CHORA=$found; fi
  done
fi
chora=$(realpath -e "${CHORA:-}" 2>/dev/null) || die "there is no program to test" "cargo build -p chora, or CHORA=path"

# The inspector needs a newer Node than Debian has; the conformance suite comes with one.
node=$("$root/scripts/conformance-suite.sh")/node_modules/.bin
export PATH=$node:$PATH
has pgrep || apt_ensure procps
if [ ! -e "$folder/complete" ]; then
  take_lock bridge-clients
  [ -e "$folder/complete" ] || fetch
fi

work=$(mktemp -d)
bridge='' clients=()

# gone PROCESS: within 10 s
gone() {
  for _ in $(seq 100); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  return 1
}

# shellcheck disable=SC2317 # The trap calls it.
finish() {
  local children=()
  [ -z "$bridge" ] || mapfile -t children < <(pgrep -P "$bridge")
  # `timeout`, in which the clients run, passes the signal on to all that a client has started.
  kill ${bridge:+"$bridge"} "${clients[@]}" 2>/dev/null || true
  [ -z "$bridge" ] || gone "$bridge" || kill -KILL "$bridge" 2>/dev/null || true
  wait
  kill -KILL "${children[@]}" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
# Clients keep what they know of servers in the home folder.
export HOME=$work
export DURATION=0.5
# Those which the server offers whatever the client can do.
export WANTED_TOOLS="echo get-annotated-message get-env get-resource-links get-resource-reference get-structured-content \
get-sum get-tiny-image gzip-file-as-resource toggle-simulated-logging toggle-subscriber-updates trigger-long-running-operation"

# The last words of the bridge, for messages.
words() { tail -n 5 "$work/bridge"; }

# start_bridge WHOSE
start_bridge() {
  "$chora" bridge --stdio --listen "127.0.0.1:$port" --child "$1" -- \
    node "$modules/@modelcontextprotocol/server-everything/dist/index.js" stdio >>"$work/bridge" 2>&1 9>&- &
  bridge=$!
  for _ in $(seq 300); do
    kill -0 "$bridge" 2>/dev/null || return 1
    ! curl --silent --fail --output /dev/null "http://127.0.0.1:$port/ready" || return 0
    sleep 0.1
  done
  die "the bridge is not ready: $(words)"
}

# A port that no outgoing connection is given: it must be free again after a restart.
first_bridge() {
  for _ in $(seq 20); do
    port=$((20000 + RANDOM % 10000))
    ! start_bridge "$1" || return 0
  done
  die "the bridge did not start: $(words)"
}

# stop_bridge SIGNAL: told to end, it does although clients hold streams open, and leaves nothing of the server behind.
stop_bridge() {
  local children child
  mapfile -t children < <(pgrep -P "$bridge")
  [ ${#children[@]} != 0 ] || die "the bridge has no process of the server: $(words)"
  kill "-$1" "$bridge"
  if [ "$1" = KILL ]; then
    { wait "$bridge" || true; } 2>/dev/null
    # A bridge that is killed ends nothing, and this server lives on for a minute while a question of its is unanswered.
    kill -KILL "${children[@]}" 2>/dev/null || true
  else
    gone "$bridge" || die "the bridge did not end within 10 s: $(words)"
    wait "$bridge" || true
    for child in "${children[@]}"; do
      gone "$child" || die "process $child of the server is left behind: $(words)"
    done
  fi
  bridge=
}

# start_client NAME COMMAND… A client makes a round for every line it reads, and tells in one what came of it.
start_client() {
  local number=${#clients[@]} input
  names+=("$1")
  shift
  mkfifo "$work/$number.in"
  # Opened for both, so that neither side waits for the other, or is ended with it.
  exec {input}<>"$work/$number.in"
  inputs+=("$input")
  rm "$work/$number.in"
  STEPS=$((3 + number)) timeout --kill-after 5 120 "$@" <&"$input" >"$work/$number.out" 2>"$work/$number.err" 9>&- &
  clients+=($!)
}

start_clients() {
  local address=http://127.0.0.1:$port
  local fastmcp=("$folder/venv/bin/python" "$programs/fastmcp_client.py")
  local remote=(node "$programs/stdio.mjs" node "$modules/mcp-remote/dist/proxy.js" "$address/mcp" --transport http-only)
  names=() inputs=() clients=()
  start_client "typescript-sdk http" node "$programs/typescript.mjs" "$folder" http "$address/mcp"
  start_client "typescript-sdk sse" node "$programs/typescript.mjs" "$folder" sse "$address/sse"
  start_client "fastmcp http" "${fastmcp[@]}" http legacy "$address/mcp"
  start_client "fastmcp http-2026-07-28" "${fastmcp[@]}" http 2026-07-28 "$address/mcp"
  start_client "fastmcp sse" "${fastmcp[@]}" sse legacy "$address/sse"
  start_client "inspector http" node "$programs/inspector.mjs" "$folder" legacy "$address/mcp"
  start_client "inspector http-2026-07-28" node "$programs/inspector.mjs" "$folder" modern "$address/mcp"
  start_client "mcp-remote http" "${remote[@]}"
  start_client "mcp-remote http-2026-07-28" "${remote[@]}" --protocol auto
}

# What became of a client that failed.
tell() {
  echo "FAILED  ${names[$1]} ($whose), $2"
  tail -n 30 "$work/$1.out" "$work/$1.err" | cut -c 1-2000
  echo "the bridge:"
  tail -n 20 "$work/bridge"
}

# round NUMBER: every client makes it.
round() {
  local number failed=
  for number in "${!clients[@]}"; do
    echo "$1" >&"${inputs[$number]}"
  done
  for number in "${!clients[@]}"; do
    until [ "$(wc -l <"$work/$number.out")" -ge "$1" ]; do
      kill -0 "${clients[$number]}" 2>/dev/null || {
        # Its last line may have come since.
        [ "$(wc -l <"$work/$number.out")" -lt "$1" ] || break
        tell "$number" "round $1"
        failed=1
        break
      }
      sleep 0.1
    done
  done
  [ -z "$failed" ]
}

# The ends of their sessions are part of it.
end_clients() {
  local number input failed=
  for number in "${!clients[@]}"; do
    echo end >&"${inputs[$number]}"
  done
  for number in "${!clients[@]}"; do
    if wait "${clients[$number]}"; then
      echo "ok  ${names[$number]} ($whose): $(tail -n 1 "$work/$number.out")"
    else
      tell "$number" "at its end"
      failed=1
    fi
    input=${inputs[$number]}
    exec {input}>&-
  done
  clients=()
  [ -z "$failed" ]
}

for whose in shared session; do
  first_bridge "$whose"
  start_clients
  round 1 || exit 1
  stop_bridge TERM
  start_bridge "$whose" || die "the bridge did not start again: $(words)"
  round 2 || exit 1
  stop_bridge KILL
  start_bridge "$whose" || die "the bridge did not start again: $(words)"
  round 3 || exit 1
  end_clients || exit 1
  stop_bridge TERM
done
