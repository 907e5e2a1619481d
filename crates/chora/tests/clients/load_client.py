"""The official Python SDK as a client that never stops: in sessions (2025-11-25) and without (2026-07-28) at once.

    load_client.py URL DRAIN

DRAIN is how many seconds a release that is replaced has to end what it is at. Lines on standard input say what to do; the first
one begins:

    begin         sessions come and go: list, a short call, a long one with progress, a stream open all the time
    stay DRAIN    from now on a session stays until it is ended by the server; told with a line as soon as one does
    (the end)     ends everything, and prints what was seen as one JSON document

What an answer must be: of the release that has the session, with all of its progress, status 200. A session may be gone only when
the drain time of its release is over, and that is said by 404; then the client opens a new one, as any user of the SDK has to.
"""

import json
import logging
import sys
import threading
import time

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED

LONG_MS = 600
PAUSE = 0.1
PATIENCE = 60

url, drain = sys.argv[1], float(sys.argv[2])
seen = {"answered": 0, "failed": [], "longest": 0.0, "releases": [], "sessions": 0, "gone": 0, "progress": 0, "heard": 0}
# When the last request without a session was sent that a release answered: it was not replaced before that.
active = {}
staying = stopping = False


def fail(what):
    if len(seen["failed"]) < 20:
        seen["failed"].append(what)


def is_drained(release):
    return release in active and time.monotonic() >= active[release] + drain


class Wire(httpx2.AsyncHTTPTransport):
    """Judges every exchange, also those whose end the SDK keeps to itself."""

    def __init__(self):
        super().__init__()
        self.session = None
        self.streams = 0
        self.gone = False

    def release(self):
        return (self.session or "").split("-")[0]

    def age(self):
        last = active.get(self.release())
        return "its release is not known" if last is None else f"its release was active {time.monotonic() - last:.1f} s ago"

    async def handle_async_request(self, request):
        asks = f"{request.method} of session {self.session}"
        try:
            response = await super().handle_async_request(request)
        except httpx2.TransportError as error:
            fail(f"{asks}: {error!r}")
            raise
        self.session = response.headers.get("mcp-session-id", self.session)
        self.streams += request.method == "GET"
        if response.status_code == 404 and is_drained(self.release()):
            self.gone = True
        elif response.status_code not in (200, 202):
            fail(f"{asks}: {response.status_code}, {self.age()}")
        elif self.streams > 1:
            fail(f"{asks}: its stream had ended")
        return response


async def timed(what):
    began = time.monotonic()
    answer = await what
    seen["answered"] += 1
    seen["longest"] = max(seen["longest"], time.monotonic() - began)
    return answer


async def call(client, ms=0):
    """Calls the tool; gives the release that answered."""
    progress = []

    async def on_progress(step, total, _message):
        progress.append((step, total))

    result = await timed(client.call_tool("slow", {"ms": ms}, progress_callback=on_progress if ms else None))
    if ms and progress != [(1, 3), (2, 3), (3, 3)]:
        fail(f"a long call told {progress}")
    seen["progress"] += len(progress)
    release = result.content[0].text
    if release not in seen["releases"]:
        seen["releases"].append(release)
    return release


async def list_tools(client):
    tools = [tool.name for tool in (await timed(client.list_tools(cache_mode="bypass"))).tools]
    if tools != ["slow"]:
        fail(f"tools: {tools}")


async def session():
    """One session, to its end."""
    wire, told = Wire(), []

    async def on_message(params):
        told.append(params.data)

    async with httpx2.AsyncClient(transport=wire, timeout=PATIENCE) as http:
        async with Client(streamable_http_client(url, http_client=http), mode="legacy", logging_callback=on_message) as client:
            try:
                await use(client, wire, told)
            except MCPError as error:
                await check_gone(client, wire, error)
            release = wire.release()
            if set(told) - {release}:
                fail(f"the stream of session {wire.session} was told by {set(told)}")
    seen["heard"] += len(told)
    seen["gone" if wire.gone else "sessions"] += 1


async def use(client, wire, told):
    announced = False
    while True:
        await list_tools(client)
        for ms in (0, LONG_MS):
            if (release := await call(client, ms)) != wire.release():
                fail(f"session {wire.session} was answered by {release}")
        if not staying or stopping:
            break
        if not announced:
            announced = True
            print(f"staying with {wire.release()}", flush=True)
        await anyio.sleep(PAUSE)
    with anyio.move_on_after(PATIENCE) as wait:
        enough = len(told) + 3
        while len(told) < enough and not wire.gone:
            await anyio.sleep(0.02)
    if wait.cancelled_caught:
        fail(f"the stream of session {wire.session} says nothing any more")


async def check_gone(client, wire, error):
    """A session that is gone says so, if not by the failed call then by the next one."""
    if not wire.gone and error.code == CONNECTION_CLOSED and is_drained(wire.release()):
        try:
            await client.list_tools(cache_mode="bypass")
        except MCPError:
            pass
    if not wire.gone:
        fail(f"session {wire.session}: {error!r}, {wire.age()}")


async def sessions():
    while not stopping:
        try:
            await session()
        except Exception as error:  # Every kind of failure is to be told.
            fail(f"a session: {error!r}")
            await anyio.sleep(PAUSE)


async def stateless():
    async with httpx2.AsyncClient(transport=Wire(), timeout=PATIENCE) as http:
        async with Client(streamable_http_client(url, http_client=http), mode="auto") as client, anyio.create_task_group() as group:
            if client.protocol_version != "2026-07-28":
                fail(f"protocol version {client.protocol_version}")
            for work in (quick, slow, listen):
                group.start_soon(again, work, client)


async def again(work, client):
    while not stopping:
        try:
            await work(client)
        except Exception as error:
            fail(f"{work.__name__} without a session: {error!r}")
        await anyio.sleep(PAUSE)


async def quick(client):
    sent = time.monotonic()
    active[await call(client)] = sent


async def slow(client):
    await list_tools(client)
    await call(client, LONG_MS)


async def listen(client):
    """Hears of changes for a while, to the end that it makes itself."""
    async with client.listen(tools_list_changed=True) as changes:
        for _ in range(10):
            await anext(changes)
            seen["heard"] += 1


def obey():
    global drain, staying, stopping
    for line in sys.stdin:
        match line.split():
            case ["stay", seconds]:
                drain, staying = float(seconds), True
    stopping = True


async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(sessions)
        group.start_soon(stateless)
    json.dump(seen, sys.stdout)


# What the SDK only logs is judged where it comes in.
logging.getLogger("mcp").setLevel(logging.CRITICAL)
sys.stdin.readline()
threading.Thread(target=obey, daemon=True).start()
anyio.run(main)
