#!/bin/sh
# Serves Redis as the official image does: in /data, which its own user owns.
set -eu
if [ "$(id -u)" = 0 ]; then
  chown -R redis:redis /data
  exec setpriv --reuid redis --regid redis --clear-groups "$0" "$@"
fi
cd /data
exec "$@" --protected-mode no --daemonize no
