#!/usr/bin/env python3
"""Times Chora against Docker Compose and the bare engine calls on one three-service stack; prints medians and ratios.

Every figure is a whole process from start to end, in seconds. Peak memory is the child's maximum resident set, in MiB.
"""
import argparse
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

COMPOSE = """name: {name}
x-service: &service
  image: chora-bench:1
  command: [serve, "--listen=0.0.0.0:8000", --insecure-no-token, --tools=status]
  environment: {{GENERATION: "{generation}"}}
  healthcheck: {{test: [CMD, /chora, probe, http, "http://127.0.0.1:8000/health"], interval: 1s, timeout: 2s, retries: 10}}
services:
  db: {{<<: *service}}
  api: {{<<: *service, depends_on: {{db: {{condition: service_healthy}}}}}}
  web: {{<<: *service, environment: {{GENERATION: "{web}"}}, depends_on: {{api: {{condition: service_healthy}}}}}}
"""

# Every one of the five levels has something to ask.
ALONE = """name: bench-alone
services:
  web:
    image: chora-bench:1
    command: [serve, "--listen=0.0.0.0:8000", --insecure-no-token, --tools=status]
    environment: {REQUIRED: "yes"}
    healthcheck: {test: [CMD, /chora, probe, http, "http://127.0.0.1:8000/health"], interval: 30s, timeout: 2s, retries: 10}
"""
MANIFEST = """services:
  web:
    health:
      endpoint: { http: /health, port: 8000, body_json: { /status: ok } }
      configuration: { required_variables: [REQUIRED] }
      function: { mcp: { port: 8000 } }
"""


# Behind the gateway, which keeps the release before ready.
WATCHED = """name: bench-watched
services:
  web:
    image: chora-bench:1
    command: [serve, "--listen=0.0.0.0:8000", --insecure-no-token, --tools=status]
    environment: {{GENERATION: "{generation}"}}
    ports: ["127.0.0.1:{port}:8000"]
"""
WATCHED_MANIFEST = "environments: { production: { watch: 10m } }\n" + MANIFEST.replace("required_variables: [REQUIRED]", "required_variables: [GENERATION]")


class Engine(http.client.HTTPConnection):
    """The engine's API over its socket."""

    def __init__(self, path):
        super().__init__("engine")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def call(self, method, path, body=None):
        self.request(method, "/v1.41" + path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        answer = self.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]}")
        return json.loads(text) if text else None


def run(command, directory, env=None):
    """Seconds and peak MiB of a command that must succeed."""
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=directory, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    if status != 0:
        raise RuntimeError(f"{command}: {errors.decode()[-800:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def median(measure, rounds):
    return statistics.median(measure() for _ in range(rounds))


def answers(engine, name):
    """The container answers on its port."""
    address = engine.call("GET", f"/containers/{name}/json")["NetworkSettings"]["Networks"]["chora-bench-bare"]["IPAddress"]
    try:
        urllib.request.urlopen(f"http://{address}:8000/health", timeout=1).read()
        return True
    except OSError:
        return False


def is_healthy(engine_path, name):
    """The test of the container's health check, run in it through the engine, passes."""
    engine = Engine(engine_path)
    test = ["/chora", "probe", "http", "http://127.0.0.1:8000/health"]
    number = engine.call("POST", f"/containers/{name}/exec", {"Cmd": test, "AttachStdout": True, "AttachStderr": True})["Id"]
    engine.request("POST", f"/v1.41/exec/{number}/start", json.dumps({"Detach": False}), {"Content-Type": "application/json"})
    engine.getresponse().read()
    return Engine(engine_path).call("GET", f"/exec/{number}/json")["ExitCode"] == 0


def bare(engine_path, rounds, with_health_check):
    """The engine calls of a first deployment and the services' own start-up, one after the other as their order demands."""
    def once():
        engine, names = Engine(engine_path), []
        began = time.perf_counter()
        engine.call("POST", "/networks/create", {"Name": "chora-bench-bare"})
        for service in ("db", "api", "web"):
            command = ["serve", "--listen=0.0.0.0:8000", "--insecure-no-token", "--tools=status"]
            body = {"Image": "chora-bench:1", "Cmd": command, "HostConfig": {"NetworkMode": "chora-bench-bare"}}
            engine.call("POST", f"/containers/create?name=chora-bench-bare-{service}", body)
            names.append(f"chora-bench-bare-{service}")
            engine.call("POST", f"/containers/{names[-1]}/start")
            while not (is_healthy(engine_path, names[-1]) if with_health_check else answers(engine, names[-1])):
                time.sleep(0.002)
        took = time.perf_counter() - began
        for name in names:
            engine.call("DELETE", f"/containers/{name}?force=true")
        engine.call("DELETE", "/networks/chora-bench-bare")
        return took
    return median(once, rounds)


def probe_inside(engine_path, rounds):
    """The probe's own time in the namespaces of a container that runs, and that of the same question through the engine's exec."""
    engine = Engine(engine_path)
    wanted = urllib.parse.quote(json.dumps({"label": ["com.docker.compose.project=bench-chora-production", "com.docker.compose.service=web"]}))
    name = engine.call("GET", f"/containers/json?filters={wanted}")[0]["Id"]
    pid = engine.call("GET", f"/containers/{name}/json")["State"]["Pid"]
    probe = ["/chora", "probe", "http", "http://127.0.0.1:8000/health"]
    nsenter = ["nsenter", "--target", str(pid), "--mount", "--net", "--pid", *probe]
    through = median(lambda: run(["docker", "exec", name, *probe], "/")[0], rounds // 2)
    return median(lambda: run(nsenter, "/")[0], rounds), through


def watched_rollback(chora, folder, rounds):
    """A rollback while the release before is still ready: seconds until the gateway has switched, and until all is done."""
    folder.mkdir()
    (folder / "chora.yaml").write_text(WATCHED_MANIFEST)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    def deploy(generation):
        (folder / "compose.yaml").write_text(WATCHED.format(generation=generation, port=port))
        run([chora, "deploy", "--version", f"v{generation}"], folder)

    def once():
        once.generation += 1
        deploy(once.generation)
        began = time.perf_counter()
        with subprocess.Popen([chora, "rollback"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
            routed = [time.perf_counter() - began for line in child.stderr if " route web" in line]
        if child.returncode != 0 or len(routed) != 1:
            raise RuntimeError(f"chora rollback: exit code {child.returncode}, {len(routed)} switches told")
        return routed[0], time.perf_counter() - began

    once.generation = 1
    deploy(1)
    measured = [once() for _ in range(rounds)]
    run([chora, "down", "--env", "production", "--yes"], folder)
    return [statistics.median(times) for times in zip(*measured)]


class Project:
    """One stack under one tool."""

    def __init__(self, root, tool, up, down):
        self.path, self.tool, self.up, self.down, self.generation, self.changes = root / tool, tool, up, down, 0, 0
        self.path.mkdir()

    def write(self, web, generation):
        (self.path / "compose.yaml").write_text(COMPOSE.format(name=f"bench-{self.tool}", generation=generation, web=web))

    def first(self):
        self.generation += 1
        self.write(self.generation, self.generation)
        took, memory = run(self.up, self.path)
        self.memory = memory
        run(self.down, self.path)
        return took


def main():
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("chora", "compose", "work", "corpus"):
        options.add_argument(f"--{name}", required=True)
    options.add_argument("--rounds", type=int, default=5)
    options = options.parse_args()
    work, rounds = Path(options.work), options.rounds
    chora, compose = str(Path(options.chora).resolve()), options.compose
    image = work / "image"
    image.mkdir()
    shutil.copy(chora, image / "chora")
    (image / "Dockerfile").write_text("FROM scratch\nCOPY chora /chora\nEXPOSE 8000\nENTRYPOINT [\"/chora\"]\n")
    run(["docker", "build", "--quiet", "--tag", "chora-bench:1", "."], image)
    rows = []

    def row(what, ours, peer, wanted):
        ratio = f"{ours / peer:.2f}" if peer else ""
        rows.append((what, f"{ours * 1000:.1f} ms", f"{peer * 1000:.1f} ms" if peer else "", ratio, wanted))

    down = [chora, "down", "--env", "production", "--yes"]
    ours = Project(work, "chora", [chora, "deploy", "--version", "v1"], down)
    theirs = Project(work, "compose", [compose, "up", "-d", "--wait"], [compose, "down", "-t", "1"])
    gated, waited = median(ours.first, rounds), median(theirs.first, rounds)
    row("first deployment, gated (peer: up --wait)", gated, waited, "at most 0.50")
    engine_path = os.environ["DOCKER_HOST"].removeprefix("unix://")
    row("first deployment over bare engine calls, health check's exec among them", gated, bare(engine_path, rounds, True), "at most 1.15")
    row("the same, without a health check", gated, bare(engine_path, rounds, False), "")

    for project, up in ((ours, ours.up), (theirs, [compose, "up", "-d"])):
        project.write(0, generation=0)
        run(up, project.path)
    nothing = [median(lambda p=p, c=c: run(c, p.path)[0], rounds * 2) for p, c in ((ours, ours.up), (theirs, [compose, "up", "-d"]))]
    row("nothing to do (peer: up -d)", *nothing, "at most 1.00")

    def changed(project, up):
        project.changes += 1
        project.write(f"web-{project.changes}", generation=0)
        return run(up, project.path)[0]
    row("one service changed (peer: ungated up -d)", median(lambda: changed(ours, ours.up), rounds), median(lambda: changed(theirs, [compose, "up", "-d"]), rounds), "at most 1.00")
    row("rollback to a retained release", median(lambda: run([chora, "rollback"], ours.path)[0] if changed(ours, ours.up) else 0, rounds), 0, "1 s and the start-up")
    inside, through = probe_inside(engine_path, rounds * 4)
    row("probe http inside a container (peer: through the engine's exec)", inside, through, "below 10 ms")
    run(ours.down, ours.path)
    run([compose, "down", "-t", "1"], theirs.path)

    switched, ended = watched_rollback(chora, work / "watched", rounds)
    row("rollback while the release before is ready, until it has all requests", switched, 0, "below 300 ms")
    row("the same, until what it replaces has stopped", ended, 0, "below 300 ms")

    # A stack of its own: the engine's checks of six containers, each second, are not to be measured with it.
    alone = work / "alone"
    alone.mkdir()
    (alone / "compose.yaml").write_text(ALONE)
    (alone / "chora.yaml").write_text(MANIFEST)
    run(ours.up, alone)
    row("health, five levels, one service", median(lambda: run([chora, "health"], alone)[0], rounds * 4), 0, "below 100 ms")
    run(ours.down, alone)

    big = Path(options.corpus) / "900-large-57-services"
    case = json.loads((big / "case.json").read_text()) if (big / "case.json").exists() else {}
    env = {**case.get("env", {}), "COMPOSE_PROFILES": ",".join(case.get("profiles", []))}
    row("config of 57 services (peer: config)", median(lambda: run([chora, "config"], big, env)[0], rounds * 4), median(lambda: run([compose, "config"], big, env)[0], rounds), "at most 0.10")
    row("--version", median(lambda: run([chora, "--version"], work)[0], rounds * 4), 0, "below 10 ms")
    rows.append(("binary", f"{os.path.getsize(chora) / 2**20:.1f} MiB", "", "", "below 25 MiB (profile dist)"))
    rows.append(("peak memory of a deployment", f"{ours.memory:.1f} MiB", "", "", "below 50 MiB"))
    widths = [max(len(str(line[column])) for line in rows) for column in range(5)]
    for line in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(line, widths)).rstrip())


main()
