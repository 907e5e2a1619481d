"""An MCP server on standard streams, of the era that is named: legacy, modern or both. Its tools do what tests need. With a
name it offers more: lists of two pages, prompts, resources, templates, completions, log levels."""
import json
import os
import sys
import threading
import time

era = sys.argv[1] if len(sys.argv) > 1 else "both"
settled = None if era == "both" else era
owner = sys.argv[2] if len(sys.argv) > 2 else None
level, subscribed = None, []
lock = threading.Lock()
cancelled, answers, waiting = [], {}, {}
VERSION = "io.modelcontextprotocol/protocolVersion"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


def send(message):
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def ask(method, params):
    number = f"server-{len(answers) + len(waiting)}-{time.monotonic_ns()}"
    waiting[number] = threading.Event()
    send({"id": number, "method": method, "params": params})
    waiting[number].wait(20)
    del waiting[number]
    return answers.pop(number, None)


def text(value):
    return {"content": [{"type": "text", "text": value}]}


def tool(id, name, arguments, meta):
    if name == "echo":
        return text(arguments["text"])
    if name == "progress":
        for step in range(3):
            send({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": step, "message": arguments["text"]}})
            time.sleep(0.01)
        return text(arguments["text"])
    if name == "sleep":
        time.sleep(arguments["seconds"])
        return text("slept")
    if name == "sample":
        time.sleep(arguments.get("after", 0))
        answer = ask("sampling/createMessage", {"messages": [], "maxTokens": 1})
        return text(json.dumps(answer))
    if name in ("c", "b_c"):
        return anything(id, arguments, meta)
    if name == "who":
        return text(json.dumps({"name": owner, "level": level, "subscribed": subscribed}))
    if name == "lists":
        send({"method": "notifications/tools/list_changed"})
        return text("changed")
    if name == "cancelled":
        return text(json.dumps(cancelled))
    if name == "pid":
        return text(str(os.getpid()))
    if name == "die":
        os._exit(3)
    if name == "long":
        return text("x" * arguments["bytes"])
    if name == "noise":
        with lock:
            sys.stdout.write("this is no JSON\n\n")
            sys.stdout.flush()
            sys.stdout.buffer.write(b"\xff\xfe{\"jsonrpc\"\n[1]\n")
            sys.stdout.buffer.flush()
        return text("after the noise")
    if name == "half":
        with lock:
            for part in ('{"jsonrpc":"2.0","id":', f'{id},"resu', 'lt":{"content":[]}}\n'):
                sys.stdout.write(part)
                sys.stdout.flush()
                time.sleep(0.02)
        return None
    if name == "changed":
        send({"method": "notifications/resources/updated", "params": {"uri": arguments["uri"]}})
        return text("told")
    if name == "log":
        send({"method": "notifications/message", "params": {"level": "info", "data": arguments["text"]}})
        time.sleep(arguments.get("then", 0))
        return text("logged")
    if name == "flood":
        for step in range(arguments["messages"]):
            send({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": step, "message": "x" * 65536}})
        return text("all said")
    if name == "unruly":
        return unruly(id, arguments["how"])
    raise KeyError(name)


def anything(id, arguments, meta):
    """What the arguments say; else it tells its progress and who it is."""
    for other in ("die", "pid", "cancelled", "lists"):
        if other in arguments:
            return tool(id, other, arguments, meta)
    if "ask" in arguments:
        return tool(id, "sample", arguments, meta)
    if "sleep" in arguments:
        return tool(id, "sleep", {"seconds": arguments["sleep"]}, meta)
    if "changed" in arguments:
        return tool(id, "changed", {"uri": arguments["changed"]}, meta)
    if "progressToken" in meta:
        tool(id, "progress", arguments, meta)
    return text(f"{owner} {arguments['text']}")


def unruly(id, how):
    out, half = sys.stdout.buffer, b'{"jsonrpc":"2.0","id":%d,"result":{"content":' % id
    # Nobody else says anything meanwhile.
    with lock:
        if how == "garbled":
            out.write(half + b'"\xff\xfe"}}\n')
            out.flush()
            return None
        if how == "long":
            out.write(b"x" * (10 << 20) + b"\n")
            out.flush()
            return text("after a long line")
        if how.startswith("half"):
            out.write(half)
            out.flush()
        if how == "half, then ends":
            os._exit(3)
        while how == "blank":
            out.write(b"\n" * 65536)
        time.sleep(1000)


def named(method, params):
    """What only a server with a name offers."""
    global level
    if method == "tools/list":
        tools = [{"name": tool, "inputSchema": {"type": "object"}} for tool in ("who", "b_c" if owner == "a" else "c")]
        if "cursor" in params:
            assert params["cursor"] == "second"
            return {"tools": tools[1:]}
        return {"tools": tools[:1], "nextCursor": "second"}
    if method == "prompts/list":
        return {"prompts": [{"name": "greet"}]}
    if method == "prompts/get":
        return {"messages": [], "description": f"{owner} {params['name']}"}
    if method == "resources/list":
        return {"resources": [{"uri": uri, "name": uri} for uri in (f"test://{owner}/1", "test://shared")]}
    if method == "resources/templates/list":
        return {"resourceTemplates": [{"uriTemplate": f"test://{owner}/{{id}}", "name": "by id"}]}
    if method == "resources/read":
        return {"contents": [{"uri": params["uri"], "text": owner}]}
    if method == "completion/complete":
        return {"completion": {"values": [owner, params["ref"].get("name", params["ref"].get("uri"))]}}
    if method == "logging/setLevel":
        level = params["level"]
        return {}
    if method == "resources/subscribe":
        subscribed.append(params["uri"])
        return {}
    return None


def finished(method, params, result):
    if VERSION in params.get("_meta", {}):
        result = {"resultType": "complete", **result}
        if method.endswith("/list"):
            result = {"ttlMs": 5000, "cacheScope": "public", **result}
    return result


def answer(message):
    id, method, params = message["id"], message["method"], message.get("params") or {}
    try:
        more = named(method, params) if owner else None
        if more is not None:
            return send({"id": id, "result": finished(method, params, more)})
        if method == "initialize":
            version = params["protocolVersion"]
            result = {"protocolVersion": version if version < "2026" else "2025-11-25", "capabilities": {"tools": {}, "resources": {"subscribe": True}},
                      "serverInfo": {"name": "test", "version": "1"}}
            if owner:
                result["capabilities"] |= {"prompts": {}, "logging": {}, "completions": {}}
                result["instructions"] = f"this is {owner}"
        elif method == "server/discover":
            result = {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "public"}
            if owner:
                result["capabilities"] |= {"prompts": {}, "resources": {}, "completions": {}}
        elif method == "tools/list":
            result = {"tools": [{"name": "echo", "inputSchema": {"type": "object", "properties": {"text": {"type": "string", "x-mcp-header": "Text"}}}}]}
        elif method == "tools/call" and params["name"] == "ask":
            if "inputResponses" in params:
                result = {**text(json.dumps([params["inputResponses"], params["requestState"]])), "resultType": "complete"}
            else:
                asked = {"method": "elicitation/create", "params": {"message": "sure?"}}
                result = {"resultType": "input_required", "inputRequests": {"q": asked}, "requestState": "s1"}
        elif method == "tools/call" and params["name"] == "envelope":
            result = text(json.dumps(params.get("_meta")))
        elif method == "tools/call":
            result = tool(id, params["name"], params.get("arguments", {}), params.get("_meta", {}))
        elif method == "subscriptions/listen":
            time.sleep(0.05)
            send({"method": "notifications/resources/updated", "params": {"uri": "file:///a", "_meta": {SUBSCRIPTION: id}}})
            return
        elif method in ("ping", "resources/subscribe", "resources/unsubscribe"):
            result = {}
        else:
            raise KeyError(method)
    except KeyError as error:
        return send({"id": id, "error": {"code": -32601, "message": f"no {error}"}})
    if result is not None:
        send({"id": id, "result": result})


for line in sys.stdin:
    message = json.loads(line)
    if "method" not in message:
        answers[message["id"]] = message.get("result", message.get("error"))
        waiting[message["id"]].set()
    elif "id" not in message:
        if message["method"] == "notifications/cancelled":
            cancelled.append(message["params"])
    elif (message.get("params") or {}).get("arguments", {}).get("how") == "deaf":
        time.sleep(1000)
    else:
        speaks = "modern" if VERSION in (message.get("params") or {}).get("_meta", {}) else "legacy"
        settled = settled or speaks
        if settled != speaks:
            send({"id": message["id"], "error": {"code": -32022, "message": "the other era"}})
        else:
            threading.Thread(target=answer, args=(message,), daemon=True).start()
