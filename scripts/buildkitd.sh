#!/usr/bin/env bash
# Builds buildkitd, the daemon that builders of buildx have in containers and on other machines, for tests only.
#
#   scripts/buildkitd.sh       build it once, print the folder with buildkitd and the runc that it needs
#
# Both come from their Go modules and are kept in ${XDG_CACHE_HOME:-~/.cache}/chora/buildkitd/. Go is installed, or updated in
# that cache, where it is missing or too old.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

buildkit=v0.26.2
runc=v1.3.4
folder=$cache/buildkitd/buildkit-$buildkit-runc-$runc-$(uname -m)

build() {
  local made started=$SECONDS
  apt_ensure gcc libc6-dev libseccomp-dev pkg-config ca-certificates
  ensure_go
  mkdir -p "$(dirname "$folder")"
  made=$(mktemp -d "$folder.XXXXXX")
  chmod 755 "$made"
  go_build "$made/" "github.com/opencontainers/runc@$runc" seccomp github.com/opencontainers/runc
  go_build "$made/" "github.com/moby/buildkit@$buildkit" '' github.com/moby/buildkit/cmd/buildkitd
  mv -T "$made" "$folder"
  note "built buildkitd in $((SECONDS - started)) s"
}

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

if [ ! -x "$folder/buildkitd" ]; then
  take_lock buildkitd
  [ -x "$folder/buildkitd" ] || build
fi
printf '%s\n' "$folder"
