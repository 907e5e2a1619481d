"""Notes over MCP, kept in PostgreSQL: a third party's server for the end-to-end tests."""

import os
from pathlib import Path

import pg8000.native
from fastmcp import FastMCP
from starlette.requests import Request
from starlette.responses import JSONResponse

mcp = FastMCP("notes")


def connect() -> pg8000.native.Connection:
    password = Path(os.environ["DATABASE_PASSWORD_FILE"]).read_text().strip()
    return pg8000.native.Connection("postgres", host=os.environ["DATABASE_HOST"], password=password, timeout=5)


@mcp.tool
def remember(text: str) -> int:
    """Keeps a note; gives how many there are."""
    with connect() as database:
        database.run("INSERT INTO notes (text) VALUES (:text)", text=text)
        return database.run("SELECT count(*) FROM notes")[0][0]


@mcp.tool
def recall() -> list[str]:
    """Gives every note, oldest first."""
    with connect() as database:
        return [row[0] for row in database.run("SELECT text FROM notes ORDER BY id")]


@mcp.custom_route("/health", methods=["GET"])
async def health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


if __name__ == "__main__":
    with connect() as database:
        database.run("CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, text text NOT NULL)")
    mcp.run(transport="http", host="0.0.0.0", port=8000, show_banner=False)
