#!/usr/bin/env bash
# Holds `chora bridge` against the official MCP conformance suite: the suite speaks streamable HTTP to the bridge, behind
# which the reference "everything" server of the Python SDK runs on standard streams. Both eras, shared and own children.
# Then the same with `chora gateway --aggregate`, where the server is two: what the suite asks for by name is named so that it
# has that name with the server's before it.
#
#   scripts/bridge-conformance.sh [PROGRAM]     PROGRAM is target/…/debug/chora unless named
#
# Scenarios that the suite itself does not score for a revision are not counted.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

# THROUGH REVISION CHILDREN SCENARIOS: as many as the suite scores for the revision
runs=(
  "bridge 2025-11-25 session 30"
  "bridge 2026-07-28 shared 37"
  "gateway 2025-11-25 session 30"
  "gateway 2026-07-28 shared 37"
)

case ${1:-} in
  -h | --help) print_help && exit ;;
esac
program=$(realpath -e "${1:-$(dirname "$0")/../target/$(uname -m)-unknown-linux-musl/debug/chora}") ||
  die "there is no program to test" "cargo build -p chora, or name one"
folder=$("$(dirname "$0")/conformance-suite.sh")
python=$("$(dirname "$0")/mcp-clients.sh")

# The server is an example in the source archive of the SDK, of the very version that is installed.
version=$("$python" -c 'from importlib.metadata import version; print(version("mcp"))')
examples=$cache/mcp-examples/$version
if [ ! -e "$examples/complete" ]; then
  take_lock mcp-examples
  if [ ! -e "$examples/complete" ]; then
    note "fetching the reference server of the MCP Python SDK $version"
    mkdir -p "$examples"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary mcp --dest "$examples" "mcp==$version" >&2 9>&- ||
      die "could not fetch the reference server" "scripts/$script"
    tar -xzf "$examples/mcp-$version.tar.gz" -C "$examples" --strip-components 1 "mcp-$version/examples"
    touch "$examples/complete"
  fi
fi

work=$(mktemp -d)
bridge=
stop() {
  [ -n "$bridge" ] || return 0
  kill "$bridge" 2>/dev/null || true
  wait "$bridge" 2>/dev/null || true
  bridge=
}
# shellcheck disable=SC2317 # The trap calls it.
finish() {
  stop
  rm -rf "$work"
}
trap finish EXIT
cat >"$work/server.py" <<SERVER
import logging, sys
sys.path.insert(0, "$examples/examples/servers/everything-server")
logging.basicConfig(level="ERROR")
from mcp_everything_server.server import mcp
prefix = sys.argv[1] if len(sys.argv) > 1 else ""
for things in (mcp._tool_manager._tools, mcp._prompt_manager._prompts):
    for name in list(things):
        thing = things.pop(name)
        if name.startswith(prefix):
            thing.name = name.removeprefix(prefix)
            things[thing.name] = thing
mcp.run(transport="stdio")
SERVER
cat >"$work/servers.json" <<SERVERS
{ "mcpServers": {
  "test": { "command": "$python", "args": ["$work/server.py", "test_"] },
  "json": { "command": "$python", "args": ["$work/server.py", "json_"] }
} }
SERVERS

# The address that the bridge or the gateway says it serves on.
listen() {
  case $1 in
    bridge) "$program" bridge --stdio --listen 127.0.0.1:0 --child "$2" -- "$python" "$work/server.py" 2>"$work/bridge" & ;;
    gateway) "$program" gateway --servers "$work/servers.json" --aggregate --listen 127.0.0.1:0 --child "$2" 2>"$work/bridge" & ;;
  esac
  bridge=$!
  until address=$(sed -n 's,.*\(http://127[^/ ]*/mcp\).*,\1,p' "$work/bridge" | head -n 1) && [ -n "$address" ]; do
    kill -0 "$bridge" 2>/dev/null || die "the bridge did not start: $(cat "$work/bridge")"
    sleep 0.1
  done
  # A server in Python takes a moment to load.
  for _ in $(seq 300); do
    ! curl --silent --fail "${address%/mcp}/health" | grep -q '"status":"ok"' || return 0
    sleep 0.1
  done
  die "the server behind the bridge is not ready: $(tail -n 5 "$work/bridge")"
}

worst=0
for run in "${runs[@]}"; do
  read -r through revision children wanted <<<"$run"
  listen "$through" "$children"
  (cd "$work" && "$folder/node_modules/.bin/node" "$folder/node_modules/@modelcontextprotocol/conformance/dist/index.js" server \
    --url "$address" --requirements "$revision" --timeout 20000 -o "$work/out-$through-$revision") >"$work/log" 2>&1 || true
  stop
  sed -n '/^Not scored/,$s/^  [✓✗] \([^ ]*\) (.*/ \1:/p' "$work/log" >"$work/unscored"
  scored=$(sed -n '/=== SUMMARY/,/^Total/p' "$work/log" | grep -E '^(✓|✗) ' | grep -vFf "$work/unscored" || true)
  passed=$(grep -c '^✓' <<<"$scored" || true)
  echo "$passed of $wanted scenarios of $revision pass through the $through, $children children"
  if [ "$passed" != "$wanted" ] || grep -q '^✗' <<<"$scored"; then
    worst=1
    grep '^✗' <<<"$scored" || tail -n 20 "$work/log"
  fi
done
exit "$worst"
