"""Semantic search over the files of a folder: an MCP server on standard streams, in the manner of codebase-mcp."""

import hashlib
import os
import sys
from pathlib import Path

from fastmcp import FastMCP

from codebase.database import connect
from codebase.embedding import ask, embed

WORKSPACE = Path("/workspace").resolve()
# Lines of a piece; what the model reads at once has an end.
PIECE = 20
SUFFIXES = {".py", ".md", ".rs", ".js", ".go", ".txt"}

mcp = FastMCP("codebase", version="1")


def pieces(text):
    lines = text.splitlines()
    for start in range(0, len(lines), PIECE):
        yield start + 1, "\n".join(lines[start : start + PIECE])


def index_file(database, path):
    """Whether the file had to be read anew; its old pieces go and its new ones come at once."""
    text, name = path.read_text(errors="replace"), str(path.relative_to(WORKSPACE))
    digest = hashlib.sha256(text.encode()).hexdigest()
    if database.execute("SELECT 1 FROM files WHERE name = %s AND digest = %s", (name, digest)).fetchone():
        return False
    rows = [(name, line, piece, embed(piece)) for line, piece in pieces(text)]
    with database.transaction():
        # Another instance may be at the same file.
        database.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (name,))
        database.execute("DELETE FROM files WHERE name = %s", (name,))
        database.execute("INSERT INTO files (name, digest) VALUES (%s, %s)", (name, digest))
        database.cursor().executemany("INSERT INTO pieces (file, line, content, embedding) VALUES (%s, %s, %s, %s::vector)", rows)
    return True


@mcp.tool
def index_folder(folder: str) -> dict:
    """Indexes a folder of the workspace; gives how many files it holds, and how many were read anew."""
    root = (WORKSPACE / folder).resolve()
    if not root.is_relative_to(WORKSPACE) or not root.is_dir():
        raise ValueError(f"{folder} is no folder of the workspace")
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix in SUFFIXES)
    with connect() as database:
        read = [path for path in files if index_file(database, path)]
    return {"files": len(files), "read": len(read)}


@mcp.tool
def search_code(query: str, limit: int = 5) -> list[dict]:
    """Finds the pieces nearest in meaning, best first."""
    near = "SELECT file, line, content, 1 - (embedding <=> %(query)s::vector) FROM pieces ORDER BY embedding <=> %(query)s::vector LIMIT %(limit)s"
    with connect() as database:
        found = database.execute(near, {"query": embed(query), "limit": min(limit, 50)}).fetchall()
    return [{"file": file, "line": line, "content": content, "similarity": round(score, 4)} for file, line, content, score in found]


def has_model():
    ask("/api/show", {"model": os.environ["EMBEDDING_MODEL"]}, timeout=3)


@mcp.tool
def health() -> dict:
    """Tells whether the database and the model are there: down without the one, degraded without the other."""
    checks = {}
    for name, check in {"database": lambda: connect().close(), "model": has_model}.items():
        try:
            check()
            checks[name] = "ok"
        except Exception as error:  # Whatever it is, it is told.
            checks[name] = str(error)
    status = "down" if checks["database"] != "ok" else "ok" if checks["model"] == "ok" else "degraded"
    return {"status": status, "checks": checks, "instance": os.uname().nodename}


print("the server of codebase begins", file=sys.stderr)
mcp.run(show_banner=False)
