#!/usr/bin/env bash
# Provides real MCP clients for the tests: the official Python SDK in an environment of its own.
#
#   scripts/mcp-clients.sh     make it if it is not there, print the path of its Python
#
# It is kept in ${XDG_CACHE_HOME:-~/.cache}/chora/venv/. Python is installed where it is missing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

version=2.3.0
folder=$cache/venv/mcp-$version
python=$folder/bin/python

make_venv() {
  apt_ensure python3-venv
  mkdir -p "$cache/venv"
  note "fetching the MCP Python SDK $version"
  rm -rf "$folder"
  # An environment cannot be moved: it is complete when its mark is there.
  python3 -m venv "$folder" >&2
  "$python" -m pip install --quiet --disable-pip-version-check "mcp==$version" >&2 9>&- ||
    die "could not fetch the MCP Python SDK" "scripts/$script"
  touch "$folder/complete"
}

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

if [ ! -e "$folder/complete" ]; then
  take_lock mcp-clients
  [ -e "$folder/complete" ] || make_venv
fi
printf '%s\n' "$python"
