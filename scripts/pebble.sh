#!/usr/bin/env bash
# Builds Pebble, the certificate authority that the tests of the gateway ask for certificates.
#
#   scripts/pebble.sh          build it once, print the program's path
#
# It comes from its Go module (a minute or two on two cores) and is kept in
# ${XDG_CACHE_HOME:-~/.cache}/chora/pebble/. Go is installed, or updated in that cache, where
# it is missing or too old.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

version=v2.10.1
binary=$cache/pebble/$version-$(uname -m)/pebble

build() {
  local made
  apt_ensure ca-certificates
  ensure_go
  mkdir -p "$(dirname "$binary")"
  made=$(mktemp -d "$(dirname "$binary")/new.XXXXXX")
  go_build "$made/pebble" "github.com/letsencrypt/pebble/v2@$version" '' github.com/letsencrypt/pebble/v2/cmd/pebble
  mv "$made/pebble" "$binary"
  rmdir "$made"
}

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

if [ ! -x "$binary" ]; then
  take_lock pebble
  [ -x "$binary" ] || build
fi
printf '%s\n' "$binary"
