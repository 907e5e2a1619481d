#!/usr/bin/env bash
# Measures `chora upgrade` against copier (PyPI): the same forty files from the same kind of repository, three of them in conflict; and
# `chora init` of the largest pattern. Prints milliseconds and ratios.
#
# Environment: CHORA (a built binary), ROUNDS (11). The peer is kept in ${XDG_CACHE_HOME:-~/.cache}/chora/copier/. Figures are medians;
# these are measurements, not tests.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"
root=$(cd "$(dirname "$0")/.." && pwd)
copier=9.19.1
folder=$cache/copier/$copier

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

fetch() {
  apt_ensure python3-venv git
  note "fetching copier $copier"
  rm -rf "$folder"
  mkdir -p "$folder"
  python3 -m venv "$folder/venv" >&2
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "copier==$copier" >&2 9>&- ||
    die "could not fetch copier" "scripts/$script"
  touch "$folder/complete"
}

if [ ! -e "$folder/complete" ]; then
  take_lock copier
  [ -e "$folder/complete" ] || fetch
fi
release_program "$root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$root/benches/upgrade_against_copier.py" --chora "$CHORA" --copier "$folder/venv/bin/copier" --work "$work" --rounds "${ROUNDS:-11}"
