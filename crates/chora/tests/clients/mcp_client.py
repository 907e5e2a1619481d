"""Drives a server with the official Python SDK and prints what it saw as one JSON document.

    mcp_client.py --mode legacy|auto|REVISION [--answer accept|decline] [--token T] (--http URL | --stdio COMMAND…)

Steps are read from standard input as a JSON list: {"do": "list"}, {"do": "call", "tool": …, "arguments": {…}} and
{"do": "abandon", "tool": …, "arguments": {…}, "until": PATH}: gives a call up once the file is there. The SDK checks
structured results against their schemas by itself.
"""

import argparse
import json
import os
import sys

import anyio
import httpx2
import mcp_types
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", required=True)
    parser.add_argument("--answer", choices=["accept", "decline"])
    parser.add_argument("--token")
    parser.add_argument("--http")
    parser.add_argument("--stdio", nargs=argparse.REMAINDER)
    return parser.parse_args()


def transport(options):
    if options.stdio:
        command, *arguments = options.stdio
        return StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    return streamable_http_client(options.http, http_client=httpx2.AsyncClient(headers=headers, timeout=60))


async def call(client, step, seen):
    async def progress(value, total, message):
        seen["progress"].append([value, total, message])

    try:
        result = await client.call_tool(step["tool"], step.get("arguments", {}), progress_callback=progress)
    except MCPError as error:
        return {"error": error.error.code, "message": error.error.message}
    text = "\n".join(block.text for block in result.content if block.type == "text")
    return {"is_error": bool(result.is_error), "structured": result.structured_content, "text": text}


async def abandon(client, step, seen):
    async with anyio.create_task_group() as group:
        async def run():
            await call(client, step, seen)

        group.start_soon(run)
        while not os.path.exists(step["until"]):
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    return {"abandoned": True}


async def main():
    options = parse()
    steps = json.load(sys.stdin)
    seen = {"asked": [], "progress": [], "results": []}

    async def answer(_context, params):
        seen["asked"].append(params.message)
        content = {"confirm": True} if options.answer == "accept" else None
        return mcp_types.ElicitResult(action=options.answer, content=content)

    asking = {"elicitation_callback": answer} if options.answer else {}
    async with Client(transport(options), mode=options.mode, **asking) as client:
        seen["protocol"] = client.protocol_version
        for step in steps:
            if step["do"] == "list":
                tools = (await client.list_tools()).tools
                seen["results"].append([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools])
            elif step["do"] == "call":
                seen["results"].append(await call(client, step, seen))
            else:
                seen["results"].append(await abandon(client, step, seen))
    json.dump(seen, sys.stdout)


anyio.run(main)
