"""Drives a server with the official Python SDK and prints what it saw as one JSON document.

    mcp_client.py --mode legacy|auto|REVISION [--answer accept|decline] [--token T] (--http URL | --sse URL | --stdio COMMAND…)

Steps are read from standard input as a JSON list:

    {"do": "list"}
    {"do": "call", "tool": …, "arguments": {…}}
    {"do": "write", "path": …, "text": …}
    {"do": "abandon", "tool": …, "arguments": {…}, "until": PATH | "when": TEXT}   gives the call up (notifications/cancelled)
    {"do": "vanish", "tool": …, "arguments": {…}, "when": TEXT}                    ends this process in the middle of the call

once the file is there, or progress says so. Every schema is checked to be one, and every structured result, failures
included, is checked against the schema that its tool declares.
"""

import argparse
import json
import os
import sys

import anyio
import httpx2
import mcp_types
from jsonschema import Draft202012Validator
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", required=True)
    parser.add_argument("--answer", choices=["accept", "decline"])
    parser.add_argument("--token")
    parser.add_argument("--http")
    parser.add_argument("--sse")
    parser.add_argument("--stdio", nargs=argparse.REMAINDER)
    return parser.parse_args()


def transport(options):
    if options.stdio:
        command, *arguments = options.stdio
        return StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    if options.sse:
        return sse_client(options.sse, headers=headers, timeout=60)
    return streamable_http_client(options.http, http_client=httpx2.AsyncClient(headers=headers, timeout=60))


async def schemas(client):
    tools = (await client.list_tools()).tools
    for tool in tools:
        Draft202012Validator.check_schema(tool.input_schema)
        Draft202012Validator.check_schema(tool.output_schema)
    return tools, {tool.name: Draft202012Validator(tool.output_schema) for tool in tools}


async def call(client, step, seen, told=None):
    async def progress(value, total, message):
        seen["progress"].append([value, total, message])
        if told is not None and step["when"] in (message or ""):
            told.set()

    try:
        result = await client.call_tool(step["tool"], step.get("arguments", {}), progress_callback=progress)
    except MCPError as error:
        return {"error": error.error.code, "message": error.error.message, "data": error.error.data}
    text = "\n".join(block.text for block in result.content if block.type == "text")
    if result.structured_content is None and result.is_error:
        return {"is_error": True, "text": text}
    if result.structured_content is None:
        raise SystemExit(f"{step['tool']} gave no structured content: {text}")
    seen["schemas"][step["tool"]].validate(result.structured_content)
    return {"is_error": bool(result.is_error), "structured": result.structured_content, "text": text}


async def in_the_middle(client, step, seen, act):
    """Calls a tool, and acts when the time has come."""
    told = anyio.Event()
    async with anyio.create_task_group() as group:
        async def run():
            answer = await call(client, step, seen, told if "when" in step else None)
            raise SystemExit(f"{step['tool']} ended before it was to be given up: {answer}")

        group.start_soon(run)
        if "when" in step:
            await told.wait()
        else:
            while not os.path.exists(step["until"]):
                await anyio.sleep(0.01)
        act(group)


def vanish(seen):
    def act(_group):
        seen["results"].append({"vanished": True})
        tell(seen)
        os._exit(0)

    return act


def tell(seen):
    json.dump({key: value for key, value in seen.items() if key != "schemas"}, sys.stdout)
    sys.stdout.flush()


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
        tools, seen["schemas"] = await schemas(client)
        for step in steps:
            match step["do"]:
                case "list":
                    seen["results"].append([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools])
                case "call":
                    seen["results"].append(await call(client, step, seen))
                case "write":
                    with open(step["path"], "w") as file:
                        file.write(step["text"])
                    seen["results"].append({"written": step["path"]})
                case "abandon":
                    await in_the_middle(client, step, seen, lambda group: group.cancel_scope.cancel())
                    seen["results"].append({"abandoned": True})
                case "vanish":
                    await in_the_middle(client, step, seen, vanish(seen))
    tell(seen)


anyio.run(main)
