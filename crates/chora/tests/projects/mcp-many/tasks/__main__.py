"""Tasks over MCP, made with FastMCP: kept as long as the server runs."""

import os

from fastmcp import FastMCP

mcp = FastMCP("tasks", version="1")
tasks: list[str] = []


@mcp.tool
def add(text: str) -> int:
    """Adds a task; gives how many there are."""
    tasks.append(text)
    return len(tasks)


mcp.run(transport="http", host=os.environ["HOST"], port=int(os.environ["PORT"]), show_banner=False)
