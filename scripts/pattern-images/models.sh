#!/bin/sh
# Serves the models that were put into this image: a registry over TLS on port 5443, which sends whoever asks for a blob to the place
# that FILES names, as Ollama's own registry does. That is port 8080 of this container, seen under another name of its host.
set -eu
cat >/tmp/registry.yml <<END
version: 0.1
storage: { filesystem: { rootdirectory: /srv/models } }
middleware: { storage: [{ name: redirect, options: { baseurl: "$FILES" } }] }
http: { addr: ":5443", tls: { certificate: /etc/docker/server.crt, key: /etc/docker/server.key } }
END
cat >/tmp/nginx.conf <<END
events {}
http { access_log off; server { listen 8080; root /srv/models; } }
END
nginx -c /tmp/nginx.conf
exec docker-registry serve /tmp/registry.yml
