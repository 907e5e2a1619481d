#!/usr/bin/env bash
# Docker Engines for the tests, the demo and development.
#
#   scripts/engine.sh oldest            make sure the machine's engine runs
#   scripts/engine.sh newest            build the current engine, run it beside the other
#   scripts/engine.sh host NAME         print the DOCKER_HOST of oldest or newest
#   scripts/engine.sh status            what runs, where, with which API version
#   scripts/engine.sh stop NAME         stop one that this script started
#   scripts/engine.sh restart NAME      stop it and start it again, data kept
#
# oldest and newest print the DOCKER_HOST when the engine answers:
#   export DOCKER_HOST="$(scripts/engine.sh newest)"
#
# oldest: an engine that answers at DOCKER_HOST or at the default socket is used as it
#   is. Otherwise Debian's docker.io is installed and started (20.10 on Debian 12).
# newest: dockerd, containerd and runc from their Go modules, built once (5 to 7 minutes
#   on two cores) into ${XDG_CACHE_HOME:-~/.cache}/chora/engine-newest/. Go is installed or
#   updated in that cache where it is missing or too old.
#
# An engine started here has everything to itself, so that several run side by side:
#   /run/chora-engine/NAME/         socket, pid file, run-time state
#   /var/lib/chora-engine/NAME/     images, containers, volumes, at most 2 GB of build cache
#   /var/lib/chora-engine/NAME.log  its log
#   bridge chora-NAME               with address pools of its own (10.213.0.0 to 10.216.255.255)
# Root is needed to start and stop; sudo is used where the caller is not root.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

moby=v2.0.0-beta.18
containerd=v2.2.1
runc=v1.3.4
newest_home=$cache/engine-newest/moby-$moby-containerd-$containerd-runc-$runc-$(uname -m)

default_socket=/var/run/docker.sock
run_root=/run/chora-engine
data_root=/var/lib/chora-engine
# Of an engine started here: its bridge's network, and where its other networks come from.
declare -A bridge_net=([oldest]=10.213.0 [newest]=10.215.0)
declare -A pool=([oldest]=10.214.0.0/16 [newest]=10.216.0.0/16)

own_url() { printf 'unix://%s/%s/docker.sock\n' "$run_root" "$1"; }

# Prints the API version when an engine answers at URL.
api_version() {
  has docker && timeout 10 docker -H "$1" version --format '{{.Server.APIVersion}}' 2>/dev/null
}

answers() { api_version "$1" >/dev/null; }

# Where the oldest engine is, or would be started.
oldest_url() {
  if [ -n "${DOCKER_HOST:-}" ] && [ "$DOCKER_HOST" != "$(own_url newest)" ]; then
    printf '%s\n' "$DOCKER_HOST"
  elif [ -S "$run_root/oldest/docker.sock" ]; then
    own_url oldest
  elif [ -S "$default_socket" ] && [ ! -w "$default_socket" ]; then
    # The machine's own engine is closed to this user: one beside it, then.
    own_url oldest
  else
    printf 'unix://%s\n' "$default_socket"
  fi
}

url_of() {
  case $1 in
    oldest) oldest_url ;;
    newest) own_url newest ;;
    *) die "no engine is called '$1': oldest or newest" "scripts/$script --help" ;;
  esac
}

# The process id of an engine that this script started and that lives.
own_pid() {
  local pid
  pid=$(cat "$run_root/$1/docker.pid" 2>/dev/null) || return 1
  grep -qz "$run_root/$1/docker.pid" "/proc/$pid/cmdline" 2>/dev/null || return 1
  printf '%s\n' "$pid"
}

install_oldest() {
  has docker && has dockerd && has iptables && has ip && return
  apt_install docker.io iptables iproute2 tini ca-certificates
  # From Debian 13 on the client is a package of its own.
  has docker || apt_install docker-cli
}

build_newest() {
  apt_ensure iptables iproute2 tini
  has docker || install_oldest
  [ ! -x "$newest_home/bin/dockerd" ] || return 0
  apt_ensure gcc libc6-dev libseccomp-dev pkg-config ca-certificates
  ensure_go
  local made started=$SECONDS
  mkdir -p "$newest_home"
  made=$(mktemp -d "$newest_home/bin.XXXXXX")
  chmod 755 "$made"
  go_build "$made/" "github.com/opencontainers/runc@$runc" seccomp github.com/opencontainers/runc
  go_build "$made/" "github.com/containerd/containerd/v2@$containerd" no_btrfs \
    github.com/containerd/containerd/v2/cmd/containerd \
    github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2
  go_build "$made/" "github.com/moby/moby/v2@$moby" 'exclude_graphdriver_btrfs no_systemd' \
    github.com/moby/moby/v2/cmd/dockerd github.com/moby/moby/v2/cmd/docker-proxy
  mv -T "$made" "$newest_home/bin"
  note "built the newest engine in $((SECONDS - started)) s"
}

# A bridge of its own keeps the engine off the docker0 of another one.
ensure_bridge() {
  local bridge=chora-$1 address=${bridge_net[$1]}.1/24
  ip link show "$bridge" >/dev/null 2>&1 || {
    as_root ip link add "$bridge" type bridge
    as_root ip addr add "$address" dev "$bridge"
  }
  as_root ip link set "$bridge" up
  # An engine that has to switch forwarding on drops what other bridges forward.
  as_root sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

# forward_rules ACTION NAME: rules that let an engine's addresses pass those of another one.
forward_rules() {
  local net way
  for net in "${bridge_net[$2]}.0/24" "${pool[$2]}"; do
    for way in -s -d; do
      as_root iptables "$1" FORWARD "$way" "$net" -j ACCEPT 2>/dev/null || true
    done
  done
}

# Engines that share iptables chains empty each other's at every start. One beside the
# machine's own therefore gets the other of Debian's two back ends, in a folder that goes
# first on its PATH.
separate_firewall() {
  local name=$1 folder=$run_root/$1/firewall other=legacy
  ! iptables --version | grep -q legacy || other=nft
  as_root "iptables-$other" -S >/dev/null 2>&1 || return 0
  as_root mkdir -p "$folder"
  as_root ln -sfn "$(command -v "iptables-$other")" "$folder/iptables"
  as_root ln -sfn "$(command -v "ip6tables-$other")" "$folder/ip6tables"
  forward_rules -D "$name"
  forward_rules -I "$name"
}

overlay_works() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  as_root sh -c '
    d=$(mktemp -d "$1/.overlay.XXXXXX") && mkdir "$d/l" "$d/u" "$d/w" "$d/m" || exit 1
    mount -t overlay overlay -o "lowerdir=$d/l,upperdir=$d/u,workdir=$d/w" "$d/m" 2>/dev/null
    status=$?
    [ $status != 0 ] || umount "$d/m"
    rm -rf "$d"
    exit $status' sh "$1"
}

# await NAME URL PROCESS polls until the engine answers, its process ends, or a minute has passed.
await() {
  local deadline=$((SECONDS + 60))
  until answers "$2"; do
    if [ ! -d "/proc/$3" ] || [ $SECONDS -ge $deadline ]; then
      tail -n 15 "$data_root/$1.log" >&2 || true
      die "the $1 engine does not answer at $2 (log: $data_root/$1.log)" "scripts/$script status"
    fi
    sleep 0.1
  done
}

# launch NAME URL BIN-DIRECTORY FALLBACK-DRIVER
launch() {
  local name=$1 url=$2 path=$run_root/$1/firewall:$3:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin more=() pid
  local deadline=$((SECONDS + 60))
  local run=$run_root/$name data=$data_root/$name
  # One that is on its way up or down is waited for; a killed one leaves its pid file behind.
  while pid=$(own_pid "$name"); do
    ! answers "$url" || return 0
    [ $SECONDS -lt $deadline ] ||
      die "the $name engine runs (process $pid), but does not answer at $url" "as the user who started it: scripts/$script stop $name"
    sleep 0.1
  done
  as_root rm -f "$run/docker.pid"
  # Where nobody collects dead processes, a killed containerd would pass for a living one.
  grep -qsz containerd "/proc/$(cat "$run/exec/containerd/containerd.pid" 2>/dev/null)/cmdline" ||
    as_root rm -f "$run/exec/containerd/containerd.pid"
  as_root mkdir -p "$run" "$data"
  # Without a limit the tests' builds fill the disk, a third of a GB a run.
  printf '%s\n' '{"builder":{"gc":{"enabled":true,"defaultKeepStorage":"2GB"}}}' | as_root tee "$run/daemon.json" >/dev/null
  ensure_bridge "$name"
  [ "$url" != "$(own_url "$name")" ] || separate_firewall "$name"
  overlay_works "$data" || {
    note "no overlay file system under $data; using the slower '$4' storage"
    more+=(--storage-driver "$4")
  }
  [ ! -x /usr/bin/tini-static ] || more+=(--init-path /usr/bin/tini-static)
  note "starting the $name engine"
  # shellcheck disable=SC2016 # expanded by the inner shell
  pid=$(
    as_root env PATH="$path" sh -c '
      log=$1; shift
      setsid nohup "$@" </dev/null >>"$log" 2>&1 &
      echo $!' sh "$data_root/$name.log" dockerd \
      --config-file "$run/daemon.json" -H "$url" --group "${SUDO_GID:-$(id -g)}" \
      --data-root "$data" --exec-root "$run/exec" --pidfile "$run/docker.pid" \
      --bridge "chora-$name" --default-address-pool "base=${pool[$name]},size=24" \
      ${more[@]+"${more[@]}"} 9>&-
  )
  await "$name" "$url" "$pid"
}

# Prints the process id of an engine that the installation of its package started.
packaged_pid() {
  local pid
  pid=$(cat /var/run/docker.pid 2>/dev/null) && [ -d "/proc/$pid" ] && printf '%s\n' "$pid"
}

start_oldest() {
  local url pid
  url=$(oldest_url)
  if ! answers "$url"; then
    case $url in
      "unix://$default_socket" | "$(own_url oldest)") ;;
      *) die "no engine answers at DOCKER_HOST=$url" "unset DOCKER_HOST, or start that engine" ;;
    esac
    take_lock engine-oldest
    install_oldest
    if [ "$url" = "unix://$default_socket" ]; then
      [ ! -d /run/systemd/system ] || as_root systemctl start docker
      ! pid=$(packaged_pid) || await oldest "$url" "$pid"
      url=$(oldest_url)
    fi
    answers "$url" || launch oldest "$url" /usr/sbin vfs
  fi
  note "oldest: $url, API $(api_version "$url")"
  printf '%s\n' "$url"
}

start_newest() {
  local url
  url=$(own_url newest)
  if ! answers "$url"; then
    take_lock engine-newest
    build_newest
    answers "$url" || launch newest "$url" "$newest_home/bin" native
  fi
  note "newest: $url, API $(api_version "$url")"
  printf '%s\n' "$url"
}

stop() {
  local name=$1 pid deadline=$((SECONDS + 60))
  url_of "$name" >/dev/null
  take_lock "engine-$name"
  if ! pid=$(own_pid "$name"); then
    answers "$(url_of "$name")" || { note "$name does not run"; return; }
    die "the engine at $(url_of "$name") was not started by this script" \
      "stop it as it was started, for instance: sudo systemctl stop docker docker.socket"
  fi
  note "stopping the $name engine"
  as_root kill -TERM "$pid"
  while own_pid "$name" >/dev/null || [ -d "/proc/$pid" ]; do
    [ $SECONDS -lt $deadline ] || die "the $name engine (process $pid) does not stop" "sudo kill -KILL $pid"
    sleep 0.1
  done
  as_root ip link delete "chora-$name" 2>/dev/null || true
  forward_rules -D "$name"
}

status() {
  local name url api origin
  for name in oldest newest; do
    url=$(url_of "$name")
    if api=$(api_version "$url"); then
      if origin=$(own_pid "$name"); then origin="started here, process $origin"; else origin="not started here"; fi
      printf '%-7s %s  version %s  API %s  storage %s  %s\n' "$name" "$url" \
        "$(docker -H "$url" version --format '{{.Server.Version}}')" "$api" \
        "$(docker -H "$url" info --format '{{.Driver}}')" "$origin"
    else
      printf '%-7s %s  down; start it with: scripts/engine.sh %s\n' "$name" "$url" "$name"
    fi
  done
}

subcommand=${1:-}
case $subcommand in
  oldest) start_oldest ;;
  newest) start_newest ;;
  host) url_of "${2:-}" ;;
  status) status ;;
  stop) stop "${2:-}" ;;
  restart)
    stop "${2:-}"
    "start_$2"
    ;;
  -h | --help | help) print_help ;;
  *) die "unknown subcommand '$subcommand'" "scripts/$script --help" ;;
esac
