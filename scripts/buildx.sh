#!/usr/bin/env bash
# Builds buildx, Docker's client of BuildKit, for tests, benchmarks and comparisons only.
#
#   scripts/buildx.sh          build it once, link it as a plugin, print the plugin's path
#
# It comes from its Go module (2 to 4 minutes on two cores) and is kept in
# ${XDG_CACHE_HOME:-~/.cache}/chora/buildx/. The link goes to
# ${DOCKER_CONFIG:-~/.docker}/cli-plugins/docker-buildx, unless a plugin is there already.
# Go is installed, or updated in that cache, where it is missing or too old.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

version=v0.29.1
binary=$cache/buildx/$version-$(uname -m)/docker-buildx
plugin=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-buildx

build() {
  local made
  apt_ensure ca-certificates
  ensure_go
  mkdir -p "$(dirname "$binary")"
  made=$(mktemp -d "$(dirname "$binary")/new.XXXXXX")
  # Compose refuses to work with a buildx that does not know its version.
  local go_ldflags="-X github.com/docker/buildx/version.Version=$version"
  go_build "$made/docker-buildx" "github.com/docker/buildx@$version" '' github.com/docker/buildx/cmd/buildx
  mv "$made/docker-buildx" "$binary"
  rmdir "$made"
}

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

if [ ! -x "$binary" ] || [ ! -x "$plugin" ]; then
  take_lock buildx
  [ -x "$binary" ] || build
  mkdir -p "$(dirname "$plugin")"
  [ -x "$plugin" ] || ln -sf "$binary" "$plugin"
fi
printf '%s\n' "$plugin"
