#!/usr/bin/env python3
"""Times `chora bridge` against supergateway and mcp-proxy in front of one stdio echo server; prints figures and ratios.

One client after another, then 32 at once, with ids that collide; every answer is compared with its question. Times are in
milliseconds, a whole call each: HTTP request, bridge, server and back. What the server alone takes is measured over its own
pipes, what the client alone takes against an HTTP server that answers at once. Memory is the resident set of the bridge
without the servers that it runs, in MiB.
"""
import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

ECHO = r'''
import json, sys
out = sys.stdout
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m:
        continue
    if m["method"] == "initialize":
        r = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "echo", "version": "1"}}
    elif m["method"] == "tools/list":
        r = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
    elif m["method"] == "tools/call":
        r = {"content": [{"type": "text", "text": m["params"]["arguments"]["text"]}]}
    else:
        r = {}
    out.write(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}) + "\n")
    out.flush()
'''

GREETING = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}


def call(number, text):
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": text}}}


class Client:
    """A session over one kept connection, as bare as can be."""

    async def connect(self, port, path="/mcp"):
        self.port, self.path, self.session = port, path, ""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        await self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": GREETING})
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    async def post(self, message):
        body = json.dumps(message).encode()
        head = (f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
                f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\n{self.session}Content-Length: {len(body)}\r\n\r\n")
        self.writer.write(head.encode() + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length, chunked = 0, "transfer-encoding: chunked" in head
        for line in head.split("\r\n"):
            if line.startswith("content-length:"):
                length = int(line.split(":")[1])
            elif line.startswith("mcp-session-id:"):
                self.session = f"Mcp-Session-Id: {line.split(':', 1)[1].strip()}\r\n"
        text = b"" if chunked else await self.reader.readexactly(length)
        while chunked:
            size = int(await self.reader.readline(), 16)
            text += (await self.reader.readexactly(size + 2))[:-2]
            if size == 0:
                break
        if "id" not in message:
            return None
        if b"data:" in text:
            lines = [line[5:] for line in text.split(b"\n") if line.startswith(b"data:") and line[5:].strip()]
            text = lines[-1]
        return json.loads(text)

    async def echo(self, number, text):
        """Milliseconds that a call took, and whether the answer is its own."""
        began = time.perf_counter()
        answer = await self.post(call(number, text))
        took = (time.perf_counter() - began) * 1000
        return took, answer.get("id") == number and answer["result"]["content"][0]["text"] == text


def percentiles(times):
    ordered = sorted(times)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.99)]


async def one_after_another(port, calls):
    client = await Client().connect(port)
    for number in range(50):
        await client.echo(number, "warm")
    results = [await client.echo(number, f"call {number}") for number in range(calls)]
    client.writer.close()
    return percentiles([took for took, _ in results]), sum(not right for _, right in results)


async def at_once(port, clients, calls):
    """Calls per second and wrong answers; all clients count their ids alike."""
    sessions = await asyncio.gather(*(Client().connect(port) for _ in range(clients)))

    async def work(index, client):
        return [(await client.echo(number, f"client {index} call {number}"))[1] for number in range(calls)]
    began = time.perf_counter()
    results = await asyncio.gather(*(work(index, client) for index, client in enumerate(sessions)))
    took = time.perf_counter() - began
    return clients * calls / took, sum(not right for rights in results for right in rights), sessions


async def over_pipes(command, calls):
    """The server without any bridge, asked by a client of the same make."""
    child = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    times = []
    for number in range(calls + 50):
        began = time.perf_counter()
        child.stdin.write(json.dumps(call(number, f"call {number}")).encode() + b"\n")
        json.loads(await child.stdout.readline())
        times.append((time.perf_counter() - began) * 1000)
    child.stdin.close()
    await child.wait()
    return percentiles(times[50:])


async def at_once_server(calls):
    """The client alone: an HTTP server in this process answers with what it is asked."""
    async def serve(reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                message = json.loads(await reader.readexactly(length))
                text = message.get("params", {}).get("arguments", {}).get("text", "")
                body = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": {"content": [{"text": text}]}}).encode()
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        except asyncio.IncompleteReadError:
            writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    times, _ = await one_after_another(server.sockets[0].getsockname()[1], calls)
    server.close()
    return times


def tree(root):
    """Processes below and with a root."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def memory(root, script):
    """MiB of the bridge's own processes."""
    total = 0
    for pid in tree(root):
        try:
            if script in Path(f"/proc/{pid}/cmdline").read_text() and pid != root and "python" in os.readlink(f"/proc/{pid}/exe"):
                continue
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            pass
    return total / 2**20


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def measure(name, command, port, script, options):
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                client = await Client().connect(port)
                client.writer.close()
                break
            except (OSError, ValueError, asyncio.IncompleteReadError):
                if time.monotonic() > deadline or child.poll() is not None:
                    raise RuntimeError(f"{name} does not serve")
                await asyncio.sleep(0.1)
        times, wrong = await one_after_another(port, options.calls)
        rate, confused, sessions = await asyncio.wait_for(at_once(port, options.clients, options.calls // 5), 600)
        used = memory(child.pid, script)
        for session in sessions:
            session.writer.close()
        return times, wrong + confused, rate, used
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


async def crowd(command, port, script, sessions):
    """MiB of the bridge's own processes with so many sessions open, each of which has made a call."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        await asyncio.sleep(1)
        clients = [await Client().connect(port) for _ in range(sessions)]
        for client in clients:
            await client.echo(1, "one of many")
        used = memory(child.pid, script)
        for client in clients:
            client.writer.close()
        return used
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait()


async def main():
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("chora", "node", "supergateway", "mcp-proxy", "work"):
        options.add_argument(f"--{name}", required=True)
    options.add_argument("--calls", type=int, default=2000)
    options.add_argument("--clients", type=int, default=32)
    options.add_argument("--sessions", type=int, default=1000)
    options = options.parse_args()
    script = str(Path(options.work) / "echo_server.py")
    Path(script).write_text(ECHO)
    server = [sys.executable, "-u", script]
    pipes, floor = await over_pipes(server, options.calls), await at_once_server(options.calls)
    print(f"server alone, over its pipes: p50 {pipes[0]:.2f} ms, p99 {pipes[1]:.2f} ms")
    print(f"client alone, over HTTP:      p50 {floor[0]:.2f} ms, p99 {floor[1]:.2f} ms")
    ports = [free_port() for _ in range(4)]
    line = " ".join(server)
    commands = {
        "chora bridge": [options.chora, "bridge", "--stdio", "--listen", f"127.0.0.1:{ports[0]}", "--", *server],
        "chora bridge, own children": [options.chora, "bridge", "--stdio", "--child", "session", "--listen", f"127.0.0.1:{ports[1]}", "--", *server],
        "supergateway, stateful": [options.node, options.supergateway, "--stdio", line, "--port", str(ports[2]), "--logLevel", "none", "--outputTransport", "streamableHttp", "--stateful"],
        "mcp-proxy": [options.mcp_proxy, "--port", str(ports[3]), "--", *server],
    }
    ours = None
    print(f"\n{'':28}{'p50 ms':>8}{'p99 ms':>8}{'added p50':>11}{'ratio':>7}{'calls/s':>9}{'ratio':>7}{'wrong':>7}{'MiB':>7}")
    for (name, command), port in zip(commands.items(), ports):
        times, wrong, rate, used = await measure(name, command, port, script, options)
        added = max(times[0] - pipes[0] - floor[0], 0.0)
        ours = ours or (times[0] - pipes[0], rate)
        print(f"{name:28}{times[0]:8.2f}{times[1]:8.2f}{added:11.2f}{(times[0] - pipes[0]) / ours[0]:7.1f}{rate:9.0f}{rate / ours[1]:7.2f}{wrong:7}{used:7.1f}")
    port = free_port()
    many = [options.chora, "bridge", "--stdio", "--listen", f"127.0.0.1:{port}", "--", *server]
    print(f"\nchora bridge with {options.sessions} sessions: {await crowd(many, port, script, options.sessions):.1f} MiB")
    print("\nadded: what a call takes beyond server and client alone; the first ratio compares what it takes beyond the server alone.")


asyncio.run(main())
