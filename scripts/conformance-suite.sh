#!/usr/bin/env bash
# Provides the official MCP conformance suite and the Node that it needs, and prints the folder of their node_modules.
#
# They are kept in ${XDG_CACHE_HOME:-~/.cache}/chora/conformance/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

suite=0.2.0-alpha.12
node_major=24
folder=$cache/conformance/$suite-node$node_major

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

fetch() {
  has npm || apt_ensure npm
  note "fetching the conformance suite $suite and Node $node_major"
  mkdir -p "$folder"
  npm install --prefix "$folder" --no-fund --no-audit --silent "@modelcontextprotocol/conformance@$suite" \
    "node-linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')@$node_major" >&2 9>&- ||
    die "could not fetch the conformance suite" "scripts/$script"
  touch "$folder/complete"
}

if [ ! -e "$folder/complete" ]; then
  take_lock conformance
  [ -e "$folder/complete" ] || fetch
fi
printf '%s\n' "$folder"
