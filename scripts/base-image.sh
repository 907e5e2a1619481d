#!/usr/bin/env bash
# Puts a small Debian 12 image into the engine at DOCKER_HOST without pulling anything.
#
#   scripts/base-image.sh          make chora-test/debian:12, print its name
#   scripts/base-image.sh --tar    make and print the archive only
#
# The archive is made with debootstrap (minbase, from the mirror that apt uses here or
# DEBIAN_MIRROR) once, in ${XDG_CACHE_HOME:-~/.cache}/chora/base-image/, and imported into each
# engine that has no such image. The certificate authorities that this machine trusts
# are trusted in the image as well. Making the archive needs root; importing does not.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

suite=bookworm
image=chora-test/debian:12
default_mirror=http://deb.debian.org/debian
archive=$cache/base-image/debian-12-$(dpkg --print-architecture 2>/dev/null || uname -m)-1.tar

# The first Debian archive among apt's sources, in either of their two formats.
mirror() {
  local found
  [ -z "${DEBIAN_MIRROR:-}" ] || { printf '%s\n' "$DEBIAN_MIRROR"; return; }
  found=$(
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
      sed -nE 's|^(URIs:[[:space:]]*\|deb[[:space:]]+(\[[^]]*\][[:space:]]+)?)(https?://[^[:space:]]+/debian)/?([[:space:]].*)?$|\3|p' |
      sed -n 1p
  )
  printf '%s\n' "${found:-$default_mirror}"
}

make_archive() {
  local work tree from started=$SECONDS
  apt_ensure debootstrap ca-certificates
  # Ubuntu does not install the keys that Debian's archive is signed with.
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || apt_install debian-archive-keyring
  from=$(mirror)
  mkdir -p "$(dirname "$archive")"
  work=$(mktemp -d)
  tree=$work/tree
  note "making a Debian 12 base image from $from"
  as_root debootstrap --variant=minbase --include=ca-certificates \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    "$suite" "$tree" "$from" >"$work/log" 2>&1 || {
    tail -n 15 "$work/log" "$tree/debootstrap/debootstrap.log" >&2 2>/dev/null || true
    as_root rm -rf "$tree"
    die "debootstrap failed (log: $work/log)" "DEBIAN_MIRROR=http://… scripts/$script"
  }
  if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
    as_root cp /usr/local/share/ca-certificates/*.crt "$tree/usr/local/share/ca-certificates/"
    as_root chroot "$tree" update-ca-certificates >>"$work/log" 2>&1
  fi
  as_root rm -rf "$tree/var/lib/apt/lists" "$tree/var/cache/apt" "$tree/var/log"
  as_root mkdir -p "$tree/var/lib/apt/lists/partial" "$tree/var/cache/apt/archives/partial" "$tree/var/log"
  as_root tar -C "$tree" --numeric-owner --one-file-system -cf - . >"$work/tar"
  as_root rm -rf "$tree"
  mv "$work/tar" "$archive.new"
  mv "$archive.new" "$archive"
  rm -rf "$work"
  note "made $archive in $((SECONDS - started)) s"
}

ensure_archive() {
  [ ! -s "$archive" ] || return 0
  take_lock base-image
  [ -s "$archive" ] || make_archive
}

has_image() { docker image inspect "$image" >/dev/null 2>&1; }

ensure_image() {
  has docker || die "the docker command is missing" "scripts/engine.sh oldest"
  if ! has_image; then
    docker version >/dev/null 2>&1 ||
      die "no engine answers at ${DOCKER_HOST:-the default socket}" "scripts/engine.sh oldest"
    ensure_archive
    take_lock base-image
    has_image || docker import --change 'CMD ["bash"]' "$archive" "$image" >/dev/null ||
      die "could not import $archive" "rm $archive && scripts/$script"
  fi
  printf '%s\n' "$image"
}

case ${1:-} in
  -h | --help) print_help ;;
  '') ensure_image ;;
  --tar)
    ensure_archive
    printf '%s\n' "$archive"
    ;;
  *) die "unknown argument '$1'" "scripts/$script --help" ;;
esac
