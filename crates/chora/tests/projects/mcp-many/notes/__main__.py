"""Notes over MCP, made with FastMCP."""

import os

from fastmcp import FastMCP

mcp = FastMCP("notes", version="1")


@mcp.tool
def shout(text: str) -> str:
    """Gives a note in capitals."""
    return text.upper()


mcp.run(transport="http", host=os.environ["HOST"], port=int(os.environ["PORT"]), show_banner=False)
