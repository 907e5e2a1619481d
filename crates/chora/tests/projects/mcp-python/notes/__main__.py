"""Notes over MCP, made with FastMCP: kept as long as the server runs."""

import os

from fastmcp import FastMCP

mcp = FastMCP("notes", version="1")
notes: list[str] = []


@mcp.tool
def remember(text: str) -> int:
    """Keeps a note; gives how many there are."""
    notes.append(text)
    return len(notes)


mcp.run(transport="http", host=os.environ["HOST"], port=int(os.environ["PORT"]), show_banner=False)
