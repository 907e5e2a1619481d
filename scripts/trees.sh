# Shared by the scripts beside it that make images without pulling anything: each is the Debian of scripts/base-image.sh with
# something added in a chroot, kept as an archive in `folder` and imported into each engine that lacks it. Sourced, never run.
#
# Before: `folder`, and `made_from`, the files that decide what an archive holds. A function fill_NAME makes the tree at `tree`.
# shellcheck shell=bash disable=SC2154 # What is not set here is set by who sources it.

here=$(cd "$(dirname "$0")" && pwd)

# in_tree COMMAND… runs a command in the tree, with this machine's network; its folder for temporary files need not be there.
in_tree() { as_root env -u TMPDIR DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$tree" "$@" >>"$folder/log" 2>&1 9>&-; }

# What follows is called where `set -e` does not hold.
add_packages() {
  in_tree apt-get -q update &&
    in_tree apt-get -q install -y --no-install-recommends "$@" &&
    in_tree apt-get -q clean &&
    as_root rm -rf "$tree/var/lib/apt/lists"
}

# archive NAME prints where the archive of what is now asked for lies.
archive() { printf '%s/%s-%s.tar\n' "$folder" "$1" "$(cat "$0" "${made_from[@]}" | sha256sum | cut -c1-12)"; }

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

# ensure NAME CHANGE… brings the image into the engine and prints its name; its label tells what it was made from.
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
