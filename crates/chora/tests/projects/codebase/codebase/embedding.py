"""Embeddings of Ollama, as text that pgvector reads."""

import json
import os
import urllib.request


def ask(path, question=None, timeout=60):
    body = None if question is None else json.dumps(question).encode()
    with urllib.request.urlopen(os.environ["OLLAMA_BASE_URL"] + path, body, timeout) as answer:
        return json.load(answer)


def embed(text):
    return str(ask("/api/embeddings", {"model": os.environ["EMBEDDING_MODEL"], "prompt": text})["embedding"])
