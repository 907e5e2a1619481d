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

readonly version=v5.0.2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
corpus=$(cd "$here/.." && pwd -P)/crates/chora-syntax/testdata/corpus
program=${XDG_CACHE_HOME:-$HOME/.cache}/chora/compose/$version/docker-compose
readonly here corpus program
scratch=

fail() {
    printf 'oracles: %s\n' "$*" >&2
    exit 2
}

need() {
    command -v "$1" >/dev/null || fail "$1 is needed: $2"
}

build() {
    [[ -x $program ]] && return
    need go "install Go 1.24 or newer"
    local folder=${program%/*} fresh
    mkdir -p "$folder"
    fresh=$(mktemp "$folder/.docker-compose.XXXXXX")
    printf 'oracles: building Docker Compose %s, about two minutes\n' "$version" >&2
    if ! (cd "$here/oracles/compose" &&
        go build -mod=readonly -trimpath -o "$fresh" -ldflags "-s -w -X github.com/docker/compose/v5/internal.Version=$version" \
            github.com/docker/compose/v5/cmd); then
        rm -f "$fresh"
        fail "building Docker Compose $version failed"
    fi
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

# The values that one machine would not share with the next: its folders, and the time of a warning.
portable() {
    sed -e "s#$1#\$PROJECT#g" -e "s#$corpus#\$CORPUS#g" -e 's/^time="[^"]*" //' "$2"
}

# Runs the reference in one case's folder; leaves out, err and kind (json or error) in the scratch folder.
run_case() {
    local folder=$1 arguments=() environment=()
    if [[ -f $folder/case.json ]]; then
        jq -e . "$folder/case.json" >/dev/null || fail "$folder/case.json is not JSON"
        mapfile -t arguments < <(arguments "$folder/case.json")
        mapfile -t environment < <(jq -r '.env // {} | to_entries[] | "\(.key)=\(.value)"' "$folder/case.json")
    fi
    rm -f "$scratch"/*
    if (cd "$folder" && env -i PATH=/usr/bin:/bin HOME=/home/user "${environment[@]}" \
        "$program" "${arguments[@]}" config --format json) >"$scratch/out" 2>"$scratch/err"; then
        portable "$folder" "$scratch/out" >"$scratch/expected.json"
        portable "$folder" "$scratch/err" | sort >"$scratch/expected.warnings"
    else
        portable "$folder" "$scratch/err" >"$scratch/expected.error"
    fi
    rm -f "$scratch/out" "$scratch/err"
    [[ -s $scratch/expected.warnings ]] || rm -f "$scratch/expected.warnings"
}

# Prints the folders of the cases named, or of all.
cases() {
    local pattern found=0 folder
    for pattern in "${@:-}"; do
        for folder in "$corpus/$pattern"*/; do
            [[ -d $folder ]] || continue
            found=1
            printf '%s\n' "${folder%/}"
        done
    done
    ((found)) || fail "no case of that name in the corpus"
}

prepare() {
    need jq "install jq"
    build
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
}

record() {
    prepare
    local folder folders count=0
    mapfile -t folders < <(cases "$@")
    ((${#folders[@]})) || exit 2
    for folder in "${folders[@]}"; do
        run_case "$folder"
        rm -f "$folder"/expected.{json,error,warnings}
        cp "$scratch"/expected.* "$folder/"
        count=$((count + 1))
    done
    printf 'recorded %d cases\n' "$count"
}

compare() {
    prepare
    local folder folders name different=0
    mapfile -t folders < <(cases "$@")
    ((${#folders[@]})) || exit 2
    for folder in "${folders[@]}"; do
        run_case "$folder"
        for name in expected.json expected.error expected.warnings; do
            [[ -e $folder/$name || -e $scratch/$name ]] || continue
            diff -u --label "recorded ${folder##*/}/$name" --label "live ${folder##*/}/$name" \
                <(cat "$folder/$name" 2>/dev/null) <(cat "$scratch/$name" 2>/dev/null) && continue
            different=$((different + 1))
        done
    done
    if ((different)); then
        printf '%d of %d cases: the record differs from the reference\n' "$different" "${#folders[@]}" >&2
        exit 1
    fi
    printf '%d cases: the record is what the reference prints\n' "${#folders[@]}"
}

action=${1:-}
(($#)) && shift
case $action in
    build) build ;;
    path) printf '%s\n' "$program" ;;
    record) record "$@" ;;
    compare) compare "$@" ;;
    *) fail "usage: oracles.sh build|path|record|compare [CASE...]" ;;
esac
