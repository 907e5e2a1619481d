"""FastMCP's client: fastmcp_client.py http|sse MODE URL. MODE is `legacy`, or a revision without sessions."""
import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport

kind, mode, url = sys.argv[1:]
tool, steps, duration = "trigger-long-running-operation", int(os.environ["STEPS"]), float(os.environ["DURATION"])
text = f"Long running operation completed. Duration: {duration} seconds, Steps: {steps}."


async def connect():
    client = Client((SSETransport if kind == "sse" else StreamableHttpTransport)(url), mode=mode, timeout=30)
    await client.__aenter__()
    return client


async def leave(client):
    """The session of a bridge that is gone must not be answered, and be told so soon."""
    try:
        seen = await client.list_tools()
    except Exception as error:
        print(f"old session: {error!r}", file=sys.stderr)
    else:
        raise SystemExit(f"the session of a bridge that is gone got an answer: {seen}")
    await client.close()


async def use(client):
    names = [tool.name for tool in await client.list_tools()]
    missing = [name for name in os.environ["WANTED_TOOLS"].split() if name not in names]
    assert not missing, f"no tool {missing}: {names}"
    progress = []

    async def on_progress(step, total, message):
        progress.append((step, total))

    result = await client.call_tool(tool, {"duration": duration, "steps": steps}, progress_handler=on_progress)
    seen = [block.text for block in result.content]
    assert seen == [text], f'wanted "{text}": {seen}'
    assert progress == [(step + 1, steps) for step in range(steps)], f"wanted {steps} progress: {progress}"
    print(f'{len(names)} tools, "{text}", {len(progress)} progress', flush=True)


async def main():
    client = None
    while (await asyncio.to_thread(sys.stdin.readline)).strip() not in ("end", ""):
        # Without sessions nothing is lost: the same client goes on.
        if client and mode == "legacy":
            await leave(client)
            client = None
        client = client or await connect()
        await use(client)
    await client.close()


asyncio.run(main())
