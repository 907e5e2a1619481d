#!/usr/bin/env bash
# Holds the Compose front end against the reference implementation.
#
#   oracles.sh build             builds Docker Compose from its Go module (cached)
#   oracles.sh path              prints where that program is
#   oracles.sh record [CASE...]  writes what it prints for every corpus project
#   oracles.sh compare [CASE...] runs it again and shows where the record differs (exit 1)
#
# CASE is a folder name of the corpus or the start of one. The layout of a case is described in the corpus README.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$here/prelude.sh"

version=v5.0.2
corpus=$(cd "$here/.." && pwd -P)/crates/chora-syntax/testdata/corpus
program=$cache/compose/$version/docker-compose
scratch=

build() {
  [ ! -x "$program" ] || return 0
  ensure_go 24
  take_lock compose
  [ ! -x "$program" ] || return 0
  local folder=${program%/*} fresh
  mkdir -p "$folder"
  fresh=$(mktemp "$folder/.docker-compose.XXXXXX")
  note "building Docker Compose $version, about two minutes"
  # The module is pinned by its go.sum; -mod=readonly refuses anything else.
  (
    cd "$here/oracles/compose"
    GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' go build -trimpath -o "$fresh" \
      -ldflags "-s -w -X github.com/docker/compose/v5/internal.Version=$version" github.com/docker/compose/v5/cmd
  ) 9>&- || {
    rm -f "$fresh"
    die "could not build Docker Compose $version" "scripts/$script build"
  }
  chmod 755 "$fresh"
  mv -f "$fresh" "$program"
}

# The arguments that a case asks for, one a line, from its case.json.
arguments() {
  jq -r '(.files // [] | map("--file", .)), (.profiles // [] | map("--profile", .)),
    (.env_files // [] | map("--env-file", .)),
    (.project_name | values | ["--project-name", .]),
    (.project_directory | values | ["--project-directory", .]) | .[]' "$1"
}

# Takes out what one machine would not share with the next: its folders, and the time of a warning.
portable() {
  sed -e "s#$1#\$PROJECT#g" -e "s#$corpus#\$CORPUS#g" -e 's/^time="[^"]*" //' "$2"
}

# Runs the reference in one case's folder; leaves the expected.* files in the scratch folder.
run_case() {
  local folder=$1 arguments=() environment=()
  if [ -f "$folder/case.json" ]; then
    jq -e . "$folder/case.json" >/dev/null || die "$folder/case.json is not JSON" "correct it"
    mapfile -t arguments < <(arguments "$folder/case.json")
    mapfile -d '' environment < <(jq -j '.env // {} | to_entries[] | "\(.key)=\(.value)\u0000"' "$folder/case.json")
  fi
  rm -f "$scratch"/*
  if (cd "$folder" && env -i PATH=/usr/bin:/bin HOME=/home/user "${environment[@]}" \
    "$program" "${arguments[@]}" config --format json) >"$scratch/out" 2>"$scratch/err"; then
    portable "$folder" "$scratch/out" >"$scratch/expected.json"
    portable "$folder" "$scratch/err" | LC_ALL=C sort >"$scratch/expected.warnings"
  else
    portable "$folder" "$scratch/err" >"$scratch/expected.error"
  fi
  rm -f "$scratch/out" "$scratch/err"
  [ -s "$scratch/expected.warnings" ] || rm -f "$scratch/expected.warnings"
}

# Sets folders to the cases named, or to all.
find_cases() {
  local pattern folder
  folders=()
  for pattern in "${@:-}"; do
    for folder in "$corpus/$pattern"*/; do
      [ ! -d "$folder" ] || folders+=("${folder%/}")
    done
  done
  [ ${#folders[@]} -gt 0 ] || die "no such case: $*" "ls $corpus"
}

prepare() {
  find_cases "$@"
  has jq || apt_ensure jq
  build
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
}

record() {
  prepare "$@"
  local folder
  for folder in "${folders[@]}"; do
    run_case "$folder"
    rm -f "$folder"/expected.{json,error,warnings}
    cp "$scratch"/expected.* "$folder/"
  done
  note "recorded ${#folders[@]} cases"
}

# same CASE-FOLDER NAME compares one file; of an error that varies only that there is one.
same() {
  local recorded=$1/$2 live=$scratch/$2
  [ -e "$recorded" ] || [ -e "$live" ] || return 0
  if [ "$2" = expected.error ] && [ -e "$recorded" ] && [ -e "$live" ] && [ -f "$1/case.json" ] &&
    jq -e .error_varies "$1/case.json" >/dev/null; then
    return 0
  fi
  diff -u --label "recorded ${1##*/}/$2" --label "live ${1##*/}/$2" \
    <(cat "$recorded" 2>/dev/null) <(cat "$live" 2>/dev/null)
}

# compare_share FIRST STEP compares every STEP-th case from FIRST on, and prints what differs.
compare_share() {
  local index folder name
  scratch=$scratch/$1
  mkdir "$scratch"
  for ((index = $1; index < ${#folders[@]}; index += $2)); do
    folder=${folders[index]}
    run_case "$folder"
    for name in expected.json expected.error expected.warnings; do
      same "$folder" "$name" || touch "$scratch.differs.${folder##*/}"
    done
  done
}

compare() {
  prepare "$@"
  local share shares different worked=yes pids=()
  # The reference is started once a case, on every core.
  shares=$(nproc)
  for ((share = 0; share < shares; share++)); do
    compare_share "$share" "$shares" >"$scratch/$share.said" 2>&1 &
    pids+=($!)
  done
  for ((share = 0; share < shares; share++)); do
    wait "${pids[share]}" || worked=no
    cat "$scratch/$share.said"
  done
  [ "$worked" = yes ] || die 'a case could not be run' "read what is above"
  different=$(find "$scratch" -maxdepth 1 -name '*.differs.*' | wc -l)
  if [ "$different" -gt 0 ]; then
    die "$different of ${#folders[@]} cases: the record differs from the reference" "scripts/$script record, then read the difference"
  fi
  note "${#folders[@]} cases: the record is what the reference prints"
}

action=${1:-}
[ $# = 0 ] || shift
case $action in
build) build ;;
path) printf '%s\n' "$program" ;;
record) record "$@" ;;
compare) compare "$@" ;;
help | --help | -h) print_help ;;
*)
  print_help >&2
  exit 2
  ;;
esac
