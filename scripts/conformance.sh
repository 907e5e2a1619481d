#!/usr/bin/env bash
# Holds `chora serve` against the official MCP conformance suite, over streamable HTTP, in the newest revision with a
# handshake and in the one without.
#
#   scripts/conformance.sh [PROGRAM]     PROGRAM is target/debug/chora unless named
#
# The suite is made for a server that offers prescribed tools, prompts and resources. What is run here is what applies to a
# server with tools of its own. Checks that need a prescribed tool, and lists that the server does not declare, are not counted.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

# REVISION: scenarios that apply
applies=(
  "2025-11-25: server-initialize server-session-lifecycle ping tools-list server-sse-multiple-streams server-sse-polling dns-rebinding-protection"
  "2026-07-28: server-stateless tools-list server-sse-multiple-streams caching http-header-validation input-required-result-unsupported-methods dns-rebinding-protection"
)

case ${1:-} in
  -h | --help) print_help && exit ;;
esac
program=$(realpath -e "${1:-$(dirname "$0")/../target/$(uname -m)-unknown-linux-musl/debug/chora}") ||
  die "there is no program to test" "cargo build -p chora, or name one"

folder=$("$(dirname "$0")/conformance-suite.sh")
node=$folder/node_modules/.bin/node

work=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
mkdir "$work/project"
: >"$work/server"
DOCKER_HOST=unix:///nonexistent/docker.sock "$program" serve --project "$work/project" --listen 127.0.0.1:0 2>"$work/server" &
server=$!
until address=$(sed -n 's/^serving MCP on \(http[^,]*\),.*/\1/p' "$work/server") && [ -n "$address" ]; do
  kill -0 "$server" 2>/dev/null || die "the server did not start: $(cat "$work/server")"
  sleep 0.1
done

# Prints one line for a scenario, and fails when a check does that could be made.
# shellcheck disable=SC2016
verdict='
const checks = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
const applies = (check) => !check.details?.untestable && !/list returned JSON-RPC error -32601/.test(check.errorMessage ?? "");
const made = checks.filter((check) => ["SUCCESS", "FAILURE"].includes(check.status) && applies(check));
const failed = made.filter((check) => check.status === "FAILURE");
console.log(`${failed.length ? "✗" : "✓"} ${process.argv[2]}: ${made.length - failed.length} of ${made.length} checks`);
for (const check of failed) console.log(`    ${check.id}: ${check.errorMessage ?? check.description}`);
process.exit(failed.length || !made.length ? 1 : 0);
'
passed=0 all=0
for line in "${applies[@]}"; do
  revision=${line%%:*}
  for scenario in ${line#*:}; do
    all=$((all + 1))
    output=$work/$revision/$scenario
    "$node" "$folder/node_modules/@modelcontextprotocol/conformance/dist/index.js" server --url "$address" --scenario "$scenario" \
      --spec-version "$revision" --timeout 20000 --output-dir "$output" >"$work/log" 2>&1 || true
    checks=$(find "$output" -name checks.json 2>/dev/null | head -n 1)
    [ -n "$checks" ] || die "$scenario did not run: $(tail -n 5 "$work/log")"
    if "$node" -e "$verdict" "$checks" "$scenario ($revision)"; then passed=$((passed + 1)); fi
  done
done
echo "$passed of $all scenarios pass"
[ "$passed" = "$all" ]
