#!/usr/bin/env bash
# Measures `chora bridge` against supergateway (npm) and mcp-proxy (PyPI) in front of one stdio server; prints ratios.
#
# Environment: CHORA (a built binary), CALLS (2000). The peers are kept in ${XDG_CACHE_HOME:-~/.cache}/chora/bridge-peers/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"
root=$(cd "$(dirname "$0")/.." && pwd)
supergateway=4.0.0
mcp_proxy=0.13.0
folder=$cache/bridge-peers/$supergateway-$mcp_proxy

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

fetch() {
  apt_ensure python3-venv
  note "fetching supergateway $supergateway and mcp-proxy $mcp_proxy"
  rm -rf "$folder"
  mkdir -p "$folder"
  npm install --prefix "$folder" --no-fund --no-audit --silent "supergateway@$supergateway" >&2 9>&- ||
    die "could not fetch supergateway" "scripts/$script"
  python3 -m venv "$folder/venv" >&2
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "mcp-proxy==$mcp_proxy" >&2 9>&- ||
    die "could not fetch mcp-proxy" "scripts/$script"
  touch "$folder/complete"
}

node=$("$root/scripts/conformance-suite.sh")/node_modules/.bin/node
if [ ! -e "$folder/complete" ]; then
  take_lock bridge-peers
  [ -e "$folder/complete" ] || fetch
fi
release_program "$root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$root/benches/bridge_against_peers.py" --chora "$CHORA" --node "$node" --work "$work" --calls "${CALLS:-2000}" \
  --supergateway "$folder/node_modules/supergateway/dist/index.js" --mcp-proxy "$folder/venv/bin/mcp-proxy"
