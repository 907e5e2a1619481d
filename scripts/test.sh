#!/usr/bin/env bash
# Runs the tests, and says how long each part took.
#
#   scripts/test.sh lint      format, clippy without a warning, shell scripts
#   scripts/test.sh oldest    everything, against the oldest supported engine
#   scripts/test.sh newest    the integration suites, against the newest engine, and the bridge against the official suite
#
# An engine that does not start fails the run; nothing is skipped. Every part uses one
# target folder and one set of flags, so that nothing is built twice.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"
cd "$(dirname "$0")/.."

# part NAME COMMAND… A function that is called here fails by its last command only: `set -e` is off in it.
part() {
  local name=$1 started=$SECONDS
  shift
  note "$name"
  "$@" || die "$name failed after $((SECONDS - started)) s" "read what is above, then make ${goal:-test}"
  times+=("$((SECONDS - started)) s  $name")
}

tell_times() {
  local line
  for line in "${times[@]}"; do
    note "$line"
  done
  note "$SECONDS s  in all"
}

toolchain() {
  local folder
  folder=$(scripts/toolchain.sh --path) || return
  export PATH=$folder:$PATH
  CARGO_BUILD_TARGET=$(uname -m)-unknown-linux-musl
  export CARGO_BUILD_TARGET
}

engine() {
  DOCKER_HOST=$(scripts/engine.sh "$1") || return
  export DOCKER_HOST
  # Whatever context the user has chosen would lead the tests to another engine.
  unset DOCKER_CONTEXT
  # Each build of the program has an image of its own, a hundred megabytes large. One in use is left alone by the engine.
  docker image ls --quiet --filter label=dev.chora.image=program | sort -u | xargs --no-run-if-empty docker image rm >/dev/null 2>&1 || true
}

# An engine behind ssh is reached through a server of the test's own.
ssh_server() { { has sshd && has ssh; } || apt_install openssh-server openssh-client; }

# The image that the end-to-end suite builds on.
base_image() { scripts/base-image.sh >/dev/null; }

# What generated projects are built in and stand beside.
pattern_images() { scripts/pattern-images.sh >/dev/null; }

# Where images are pushed to.
image_registry() { has docker-registry || apt_install docker-registry; }

# What images for several architectures are built by, beside the engine. The plugin goes to a folder that no test looks at: each that
# wants it has a configuration of its own, and the others do not change because it is there.
builders() {
  local folder
  folder=$(mktemp -d) || return
  DOCKER_CONFIG=$folder scripts/buildx.sh >/dev/null || return
  rm -rf "$folder"
  scripts/buildkitd.sh >/dev/null
}

# What the gateway gets its certificates from.
authority() { scripts/pebble.sh >/dev/null; }

shell_scripts() {
  has shellcheck || apt_install shellcheck
  shellcheck .ci/run scripts/*.sh scripts/*/*.sh
}

clippy() { cargo clippy --workspace --all-targets --locked --quiet -- -D warnings; }

documentation() { RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet; }

lint() {
  part 'shell scripts' shell_scripts
  part 'format' cargo fmt --all --check
  part 'clippy' clippy
}

# Whatever is deployed is written down for good, step by step, which a slow disk makes the tests wait for. Memory that can hold
# them and lets their programs run does as well; without it they are where other temporary files are.
in_memory() {
  local folder space memory
  space=$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -n 1) || return 0
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo) || return 0
  if [ "$space" -lt 6144 ] || [ "${memory:-0}" -lt 10240 ]; then return 0; fi
  # Short: sockets below it have an end to their paths.
  folder=$(mktemp -d /dev/shm/chora-XXXXXX) || return 0
  # shellcheck disable=SC2064 # The folder of now is meant.
  trap "rm -rf '$folder'" EXIT
  # Everybody may look in, as in any folder for temporary files.
  chmod 1777 "$folder"
  if cp "$(type -P true)" "$folder/true" && "$folder/true" 2>/dev/null; then export TMPDIR=$folder; fi
}

# at_a_time MORE: tests wait for the engine more than they compute, so that many more than there are processors run at a time.
at_a_time() {
  RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) + $1))}
  export RUST_TEST_THREADS
}

# All packages are named in both runs: fewer would unify features otherwise, and build anew.
times=()
case ${1:-} in
lint)
  goal=lint
  part 'toolchain' toolchain
  lint
  ;;
oldest)
  goal='test'
  part 'toolchain' toolchain
  part 'oldest engine' engine oldest
  lint
  part 'documentation' documentation
  part 'ssh server' ssh_server
  part 'base image' base_image
  part 'image registry' image_registry
  part 'authority' authority
  in_memory
  at_a_time 2
  export CHORA_TEST_SHARE=oldest
  part 'tests' cargo test --workspace --locked --quiet --no-fail-fast
  part 'Compose record against the live reference' scripts/oracles.sh compare
  part 'patterns against the live reference' scripts/patterns.sh
  ;;
newest)
  goal=test-newest
  part 'toolchain' toolchain
  part 'newest engine' engine newest
  part 'ssh server' ssh_server
  part 'base image' base_image
  part 'images of projects' pattern_images
  part 'image registry' image_registry
  part 'builders of images' builders
  part 'authority' authority
  in_memory
  at_a_time 1
  export CHORA_TEST_SHARE=newest CHORA_TEST_ROUNDS=20
  part 'integration suites' cargo test --workspace --locked --quiet --no-fail-fast --test it
  part 'patterns against the linters of others' scripts/goldens.sh
  part 'the bridge against the MCP conformance suite' scripts/bridge-conformance.sh
  part 'real MCP clients through the bridge' scripts/bridge-clients.sh
  ;;
-h | --help) print_help && exit ;;
*) die "unknown argument '${1:-}'" "scripts/$script --help" ;;
esac
tell_times
