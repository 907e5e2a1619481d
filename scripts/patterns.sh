#!/usr/bin/env bash
# Writes every pattern, and holds what comes of it against Docker Compose and shellcheck.
#
#   patterns.sh [PROGRAM]   PROGRAM is chora; the one that the tests were built with where absent
#
# A stack has to be the same to both, in every environment, without a warning.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$here/prelude.sh"

case ${1:-} in
-h | --help) print_help && exit ;;
esac
program=$(tested_program "$here/.." "${1:-}")
has jq || apt_ensure jq
has shellcheck || apt_ensure shellcheck
"$here/oracles.sh" build
reference=$("$here/oracles.sh" path)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Answers that nothing tells about an empty folder, for a pattern that asks for them; and some that make it write more.
answers() {
  local name
  "$program" patterns show "$1" --json | jq .questions >questions
  for name in $(jq -r 'to_entries[] | select(.value.default == null) | .key' questions); do
    case $name in
    name) echo name=notes ;;
    language) echo language=python ;;
    block) echo block=20100 ;;
    host) echo host=shop.example ;;
    *) die "the pattern $1 wants an answer to $name" "give one in scripts/$script" ;;
    esac
  done
  for name in ci=github secrets=api_key migrate=/app/migrate databases=shop; do
    ! jq -e --arg name "${name%%=*}" 'has($name)' questions >/dev/null || echo "$name"
  done
}

# One environment of the pattern in the present folder, as both see it.
compare() {
  local environment=$1 project
  "$program" config --env "$environment" --json >ours.json
  project=$(jq -r .name ours.json)
  env -i PATH=/usr/bin:/bin HOME=/home/user "$reference" --file compose.yaml --file "compose.$environment.yaml" \
    --project-name "$project" config --format json >theirs.json 2>warnings || { cat warnings && return 1; }
  diff -u --label "no warnings of Compose, $environment" /dev/null --label 'its warnings' warnings
  diff -u --label "Compose, $environment" <(jq -S . theirs.json) --label "chora, $environment" <(jq -S . ours.json)
}

# Writes a pattern and looks at it; leaves how many stacks it has. Runs in a process of its own, so that the first failure ends it.
look_at() {
  local given=() answer file environment count=0
  mkdir "$scratch/$1"
  cd "$scratch/$1"
  answers "$1" >given
  while read -r answer; do
    given+=(--set "$answer")
  done <given
  "$program" init --quiet --pattern "$1" "${given[@]}" >/dev/null
  find . -name '*.sh' -not -path './.chora/*' -exec shellcheck {} +
  for file in compose.*.yaml; do
    [ -e "$file" ] || continue
    environment=${file#compose.}
    compare "${environment%.yaml}"
    count=$((count + 1))
  done
  echo "$count" >stacks
}

mapfile -t patterns < <("$program" patterns --json | jq -r '.patterns[].name')
pids=()
for pattern in "${patterns[@]}"; do
  (look_at "$pattern") >"$scratch/$pattern.said" 2>&1 &
  pids+=($!)
done
count=0
for index in "${!patterns[@]}"; do
  pattern=${patterns[index]}
  wait "${pids[index]}" || {
    cat "$scratch/$pattern.said" >&2
    die "the pattern $pattern is not right" "read what is above, then mend its templates"
  }
  count=$((count + $(cat "$scratch/$pattern/stacks")))
done
[ "$count" -gt 0 ] || die 'no pattern has a stack' "$program patterns"
note "$count stacks of patterns are the same to Compose"
