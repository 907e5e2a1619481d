#!/usr/bin/env bash
# Puts two images that are not ours into the engine at DOCKER_HOST without pulling anything: an MCP
# server made with FastMCP from PyPI, and the PostgreSQL from Debian that it keeps its notes in.
#
#   scripts/fastmcp-image.sh     make chora-test/fastmcp:1 and chora-test/postgres:1, print their names
#
# Both are the Debian of scripts/base-image.sh with packages added in a chroot, kept as archives in
# ${XDG_CACHE_HOME:-~/.cache}/chora/fastmcp-image/ and imported into each engine that lacks them.
# Making the archives needs root and the package archives; importing does not.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

here=$(cd "$(dirname "$0")" && pwd)
folder=$cache/fastmcp-image
server=$here/fastmcp-image/server.py
entrypoint=$here/fastmcp-image/postgres.sh

# in_tree COMMAND… runs a command in the tree, with this machine's network.
in_tree() { as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$tree" "$@" >>"$folder/log" 2>&1 9>&-; }

# What follows is called where `set -e` does not hold.
add_packages() {
  in_tree apt-get -q update &&
    in_tree apt-get -q install -y --no-install-recommends "$@" &&
    in_tree apt-get -q clean &&
    as_root rm -rf "$tree/var/lib/apt/lists"
}

fill_fastmcp() {
  add_packages python3 python3-venv &&
    in_tree python3 -m venv /srv/venv &&
    in_tree /srv/venv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir 'fastmcp==2.14.1' 'mcp<2' 'pg8000==1.31.5' &&
    as_root install -m 0644 "$server" "$tree/srv/server.py"
}

fill_postgres() {
  add_packages postgresql-15 &&
    as_root rm -rf "$tree/var/lib/postgresql/15" "$tree/etc/postgresql/15" &&
    as_root install -m 0755 "$entrypoint" "$tree/usr/local/bin/serve-postgres"
}

# archive NAME prints where the archive of what is now asked for lies.
archive() { printf '%s/%s-%s.tar\n' "$folder" "$1" "$(cat "$0" "$server" "$entrypoint" | sha256sum | cut -c1-12)"; }

make_archive() {
  local name=$1 base started=$SECONDS
  base=$("$here/base-image.sh" --tar)
  tree=$(mktemp -d)
  note "making the image of $name (log: $folder/log)"
  as_root tar -C "$tree" -xpf "$base"
  as_root cp /etc/resolv.conf "$tree/etc/resolv.conf"
  # Services of packages must not start while they are installed.
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$tree/usr/sbin/policy-rc.d" >/dev/null
  as_root chmod +x "$tree/usr/sbin/policy-rc.d"
  "fill_$name" || {
    tail -n 15 "$folder/log" >&2
    as_root rm -rf "$tree"
    die "the image of $name could not be made (log: $folder/log)" "scripts/$script"
  }
  as_root rm -f "$tree/etc/resolv.conf" "$tree/usr/sbin/policy-rc.d"
  rm -f "$folder/$name"-*.tar
  as_root tar -C "$tree" --numeric-owner --one-file-system -cf - . >"$folder/new"
  as_root rm -rf "$tree"
  mv "$folder/new" "$(archive "$name")"
  note "made it in $((SECONDS - started)) s"
}

# ensure NAME CHANGE… brings the image into the engine; its label tells what it was made from.
ensure() {
  local name=$1 image=chora-test/$1:1 changes=() made
  shift
  made=$(basename "$(archive "$name")")
  if [ "$(docker image inspect --format '{{index .Config.Labels "made"}}' "$image" 2>/dev/null)" != "$made" ]; then
    [ -s "$(archive "$name")" ] || make_archive "$name"
    for change in "$@" "LABEL made=$made"; do changes+=(--change "$change"); done
    docker import "${changes[@]}" "$(archive "$name")" "$image" >/dev/null
  fi
  printf '%s\n' "$image"
}

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac
docker version >/dev/null 2>&1 || die "no engine answers at ${DOCKER_HOST:-the default socket}" "scripts/engine.sh oldest"
mkdir -p "$folder"
take_lock fastmcp-image
ensure fastmcp 'CMD ["/srv/venv/bin/python", "/srv/server.py"]' 'EXPOSE 8000' 'ENV PYTHONUNBUFFERED=1'
ensure postgres 'CMD ["serve-postgres"]' 'USER postgres' 'EXPOSE 5432' 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin'
