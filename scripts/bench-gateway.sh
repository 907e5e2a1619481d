#!/usr/bin/env bash
# Measures `chora gateway` as an HTTP reverse proxy against nginx (Debian) and Caddy (built from its module); prints ratios.
#
# Environment: CHORA (a built binary), ROUNDS (5), ROUND_SECONDS (3), REQUESTS (1000000, for the memory).
# The peers are kept in ${XDG_CACHE_HOME:-~/.cache}/chora/{nginx,caddy}/, where the state file is written for a while too.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"
root=$(cd "$(dirname "$0")/.." && pwd)
caddy_version=v2.11.9
caddy=$cache/caddy/$caddy_version-$(uname -m)/caddy

case ${1:-} in
  -h | --help) print_help && exit ;;
  '') ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac

fresh=
trap 'rm -rf "$fresh"' EXIT

# Built beside its place and moved there, so that what has the right name is whole.
build_caddy() {
  ensure_go
  mkdir -p "${caddy%/*}"
  fresh=$(mktemp -d "${caddy%/*}/new.XXXXXX")
  note "building takes some minutes, once"
  # The tags that Caddy's own releases are built with.
  go_build "$fresh/caddy" "github.com/caddyserver/caddy/v2@$caddy_version" 'nobadger nomysql nopgx' \
    github.com/caddyserver/caddy/v2/cmd/caddy
  mv "$fresh/caddy" "$caddy"
}

# An installed nginx is used as it is. Otherwise the package is only unpacked: installing it would start a server on port 80.
find_nginx() {
  local version
  nginx=$(command -v nginx) && return
  has apt-get || die "needs nginx" "install it with this system's package manager, then run scripts/$script again"
  apt_ensure libpcre2-8-0 zlib1g
  version=$(nginx_version)
  # A machine that never asked for the lists of packages knows of none.
  [ -n "$version" ] || { apt_get update && version=$(nginx_version); }
  nginx=$cache/nginx/$version-$(uname -m)/sbin/nginx
  if [ ! -x "$nginx" ]; then
    mkdir -p "$cache/nginx"
    fresh=$(mktemp -d "$cache/nginx/new.XXXXXX")
    note "fetching nginx $version"
    # A list that is older than the newest security fix names a file that is gone.
    (cd "$fresh" && { apt-get -q download "nginx=$version" || { apt_get update && apt-get -q download nginx; }; } &&
      dpkg -x nginx_*.deb .) >&2 9>&- || die "could not fetch nginx $version" "apt-get update && scripts/$script"
    rm -rf "${nginx%/sbin/*}"
    mv -T "$fresh/usr" "${nginx%/sbin/*}"
    rm -rf "$fresh"
  fi
}

nginx_version() { LC_ALL=C apt-cache policy nginx | sed -n 's/^ *Candidate: \([0-9].*\)/\1/p'; }

apt_ensure wrk python3
# Held until the end: two runs at once would measure each other.
take_lock bench-gateway
[ -x "$caddy" ] || build_caddy
find_nginx
"$nginx" -v 2>/dev/null || die "$nginx does not run" "apt-get install nginx"
release_program "$root"
# Not in /tmp, which is often memory: a switch ends only when the state file is on disk.
case $(stat -f -c %T "$cache") in
  tmpfs | ramfs) note "$cache is in memory, so switches are measured without a disk; XDG_CACHE_HOME names another folder" ;;
esac
rm -rf "$fresh"
# It takes this shell's place, so that signals reach it; it ends its processes and removes its folder itself.
exec python3 "$root/benches/gateway_against_peers.py" --chora "$CHORA" --nginx "$nginx" --caddy "$caddy" --scratch "$cache" \
  --rounds "${ROUNDS:-5}" --seconds "${ROUND_SECONDS:-3}" --requests "${REQUESTS:-1000000}"
