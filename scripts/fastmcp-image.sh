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

folder=$cache/fastmcp-image
# shellcheck source-path=SCRIPTDIR source=trees.sh
. "$(dirname "$0")/trees.sh"
server=$here/fastmcp-image/server.py
entrypoint=$here/fastmcp-image/postgres.sh
# shellcheck disable=SC2034 # It is read by what was sourced.
made_from=("$server" "$entrypoint")

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
