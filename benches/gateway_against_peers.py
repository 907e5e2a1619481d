#!/usr/bin/env python3
"""Measures `chora gateway` as an HTTP reverse proxy against nginx and Caddy, in front of an nginx that answers at once.

wrk asks over kept connections, one proxy after another in each round. A figure is the median of its rounds; ratios and
added times are taken within each round and are medians too, since what else the machine does changes from round to round.
Nothing is asserted: a figure that misses what is wanted is printed as such, and only what could not be measured fails.
"""
import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONNECTIONS = 16
SWITCHES = 50
# Requests a second of the upstream alone.
ENOUGH = 60_000
MIB = 2**20

# Called once, after a run: requests, microseconds that it took, p99 in microseconds, and what failed.
WRK_SCRIPT = r'''
done = function(summary, latency)
  local e = summary.errors
  io.stderr:write(string.format("%.0f %.0f %.1f %.0f\n", summary.requests, summary.duration, latency:percentile(99),
    e.connect + e.read + e.write + e.timeout + e.status))
end
'''

# The limits on requests per connection are lifted on both sides: closing connections is not what is measured.
NGINX = '''
daemon off;
worker_processes {workers};
pid {name}.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {name}-body; proxy_temp_path {name}-proxy; fastcgi_temp_path {name}-fastcgi;
  scgi_temp_path {name}-scgi; uwsgi_temp_path {name}-uwsgi;
  {inside}
}}
'''
ANSWERS = 'server {{ listen 127.0.0.1:{port}; location / {{ default_type text/plain; return 200 "{body}"; }} }}'
PROXIES = '''
  upstream answers {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://answers; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
'''


class Unmeasured(Exception):
    """Something does not run as it must for a figure."""


children = []


def start(name, command):
    """A process in a group of its own, which ends with this one whatever ends this one."""
    with open(f"{name}.log", "wb") as log:
        child = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    child.name = name
    children.append(child)
    return child


def stop(*ending):
    for child in ending:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
    for child in ending:
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        children.remove(child)


def log_of(child):
    return Path(f"{child.name}.log").read_text(errors="replace").strip()


def serving(child, port):
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return child
        except OSError:
            if child.poll() is not None or time.monotonic() > deadline:
                raise Unmeasured(f"{child.name} does not serve: {log_of(child)[-400:]}")
            time.sleep(0.05)


def free_ports(number):
    """All are held until all are known, so that no two are the same."""
    listeners = [socket.socket() for _ in range(number)]
    for listener in listeners:
        listener.bind(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def nginx(options, name, port, inside, workers):
    Path(f"{name}.conf").write_text(NGINX.format(name=name, workers=workers, inside=inside))
    return serving(start(name, [options.nginx, "-p", os.getcwd(), "-e", "stderr", "-c", f"{os.getcwd()}/{name}.conf"]), port)


def caddy(options, port, upstream):
    proxy = {"handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{upstream}"}]}
    server = {"listen": [f"127.0.0.1:{port}"], "automatic_https": {"disable": True}, "routes": [{"handle": [proxy]}]}
    Path("caddy.json").write_text(json.dumps({
        "admin": {"disabled": True, "config": {"persist": False}}, "logging": {"logs": {"default": {"writer": {"output": "discard"}}}},
        "storage": {"module": "file_system", "root": f"{os.getcwd()}/caddy"}, "apps": {"http": {"servers": {"proxy": server}}}}))
    return serving(start("caddy", [options.caddy, "run", "--config", "caddy.json"]), port)


def gateway(options, name, port, upstream, release="v1", listener=None):
    """Paths are relative, because the path of a socket must be short."""
    Path(f"{name}.json").write_text(json.dumps({
        "version": 1, "listeners": [{"bind": f"127.0.0.1:{port}", **(listener or {"http": {"routes": [{"service": "web"}]}})}],
        "services": {"web": {"active": {"name": release, "addresses": [f"127.0.0.1:{upstream}"]}}}}))
    return serving(start(name, [options.chora, "gateway", "--state", f"{name}.json", "--control", f"{name}.sock"]), port)


def wrk_command(port, connections, seconds):
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", "done.lua", f"http://127.0.0.1:{port}/"]


def wrk_result(text, port):
    """Requests, requests a second, p99 in milliseconds, failures."""
    try:
        requests, took, p99, failed = map(float, text.strip().splitlines()[-1].split())
    except (ValueError, IndexError):
        raise Unmeasured(f"wrk did not measure port {port}: {text[-400:]}")
    if not requests:
        raise Unmeasured(f"nothing answers at port {port}")
    return int(requests), requests / took * 1e6, p99 / 1000, int(failed)


def wrk(port, connections, seconds):
    run = subprocess.run(wrk_command(port, connections, seconds), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=seconds + 60)
    return wrk_result(run.stderr, port)


def processor_time(group):
    """Seconds that the processes of a group have had; how busy the rest of the machine is hardly matters to it."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(child):
    return int(Path(f"/proc/{child.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


class Control(http.client.HTTPConnection):
    """A kept connection to a control socket."""

    def __init__(self, path):
        super().__init__("gateway", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def line(what, figure, wanted="", reached=None):
    print(f"{what:34}{figure:62}{wanted:15}{'' if reached is None else 'reached' if reached else 'MISSED'}".rstrip(), flush=True)


def rounds(targets, options, connections):
    """Of each target: (requests a second, p99, microseconds of processor time a request, failures) of each round."""
    found = {name: [] for name in targets}
    for _ in range(options.rounds):
        for name, (child, port) in targets.items():
            before = processor_time(child.pid)
            requests, rate, p99, failed = wrk(port, connections, options.seconds)
            found[name].append((rate, p99, (processor_time(child.pid) - before) / requests * 1e6, failed))
    return found


def median(results, field):
    return statistics.median(result[field] for result in results)


def throughput(targets, options):
    """Whether the upstream is quick enough to tell the proxies apart."""
    for child, port in targets.values():
        wrk(port, CONNECTIONS, 1)
    found = rounds(targets, options, CONNECTIONS)
    for name, results in found.items():
        failed = sum(result[3] for result in results)
        figure = f"{median(results, 0):,.0f} requests/s, p99 {median(results, 1):.2f} ms, {median(results, 2):.1f} µs CPU each" + (f", {failed} FAILED" if failed else "")
        if name == "upstream alone":
            line(name, figure, f"≥ {ENOUGH:,}/s", median(results, 0) >= ENOUGH)
        else:
            line(name, figure)
    for name in found:
        for peer, wanted in (("nginx", 0.8), ("Caddy", 2.2)):
            if name.startswith("chora"):
                ratios = [ours[0] / theirs[0] for ours, theirs in zip(found[name], found[peer])]
                ratio = statistics.median(ratios)
                line(f"{name} / {peer}", f"{ratio:.2f} × the requests/s ({min(ratios):.2f} to {max(ratios):.2f})", f"≥ {wanted} ×", ratio >= wanted)
    return median(found["upstream alone"], 0) >= ENOUGH


def added_time(targets, options):
    found = rounds(targets, options, 1)
    alone = found.pop("upstream alone")
    for name, results in found.items():
        added = statistics.median(ours[1] - theirs[1] for ours, theirs in zip(results, alone))
        figure = f"{added:.3f} ms ({median(results, 1):.3f} ms, upstream alone {median(alone, 1):.3f} ms)"
        line(f"added p99, {name}", figure, *(("< 1 ms", added < 1) if name.startswith("chora") else ()))


def growth(options, upstream):
    port, = free_ports(1)
    child = gateway(options, "memory", port, upstream)
    time.sleep(1)
    idle = memory(child)
    line("memory, idle", f"{idle:.1f} MiB", "< 25 MiB", idle < 25)
    deadline = time.monotonic() + 600
    # The first second makes the connections and their buffers; what grows after that grows with the requests.
    done, rate, _, failed = wrk(port, CONNECTIONS, 1)
    warm = memory(child)
    while done < options.requests:
        if time.monotonic() > deadline:
            raise Unmeasured(f"{options.requests} requests take too long")
        more, rate, _, lost = wrk(port, CONNECTIONS, min(60, int((options.requests - done) / rate) + 1))
        done, failed = done + more, failed + lost
    after = memory(child)
    figure = f"{after:.1f} MiB, {warm:.1f} MiB after the first second" + (f", {failed} FAILED" if failed else "")
    line(f"memory, {done:,} requests", figure, "≤ 2 MiB more", after - warm <= 2)
    stop(child)


def to_disk(text):
    """Milliseconds that it takes to write a file as the gateway does, without any gateway."""
    times = []
    for _ in range(SWITCHES):
        began = time.perf_counter()
        with open("disk.new", "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename("disk.new", "disk.json")
        folder = os.open(".", os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def answer(connection, method, path, body=None):
    connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"} if body else {})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        raise Unmeasured(f"{method} {path} was answered with {response.status}: {text[:300]!r}")
    return text.decode()


def switches(options, upstreams):
    port, = free_ports(1)
    child = gateway(options, "switch", port, upstreams["v1"])
    disk = to_disk(Path("switch.json").read_text())
    control, client = Control("switch.sock"), http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    answer(control, "GET", "/v1/state")
    load = subprocess.Popen(wrk_command(port, CONNECTIONS, 120), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    load.name = "wrk"
    children.append(load)
    time.sleep(1)
    times, wrong = [], 0
    for number in range(SWITCHES):
        release = ("v2", "v1")[number % 2]
        body = {"service": "web", "release": {"name": release, "addresses": [f"127.0.0.1:{upstreams[release]}"]}}
        began = time.perf_counter()
        answer(control, "POST", "/v1/switch", body)
        times.append((time.perf_counter() - began) * 1000)
        # What was acknowledged must be so for the next request.
        wrong += answer(client, "GET", "/") != release
        time.sleep(0.02)
    named = {"host": "", "probe": {"http": {"path": "/"}}}
    question, gated = {"question": {"named": named}, "limit": {"secs": 5, "nanos": 0}}, []
    for number in range(SWITCHES):
        release = ("v2", "v1")[number % 2]
        candidate = {"name": release, "addresses": [f"127.0.0.1:{upstreams[release]}"]}
        began = time.perf_counter()
        answers = json.loads(answer(control, "POST", "/v1/rehearse", {"candidates": [{"service": "web", "release": candidate, "questions": [question]}]}))
        if not answers["answers"][0][0]["ok"]:
            raise Unmeasured(f"the candidate is not well: {answers}")
        answer(control, "POST", "/v1/switch", {"service": "web", "release": candidate})
        gated.append((time.perf_counter() - began) * 1000)
        wrong += answer(client, "GET", "/") != release
        time.sleep(0.02)
    if load.poll() is not None:
        raise Unmeasured("the load ended before the switches did")
    # wrk ends at once on it, and prints what it has.
    load.send_signal(signal.SIGINT)
    requests, rate, _, failed = wrk_result(load.communicate(timeout=60)[1], port)
    middle = statistics.median(times)
    line(f"switch, median of {SWITCHES} under load", f"{middle:.2f} ms (longest {max(times):.2f}; writing such a file alone {disk:.2f})", "≤ 5 ms", middle <= 5)
    whole = statistics.median(gated)
    line("the same, asked first", f"{whole:.2f} ms (longest {max(gated):.2f})", "≤ 20 ms", whole <= 20)
    line("failed during the switches", f"{failed} of {requests:,} requests, at {rate:,.0f} requests/s", "0", failed == 0)
    line("answered by the release before", f"{wrong} of {2 * SWITCHES} requests", "0", wrong == 0)
    stop(load, child)


def measure(options):
    Path("done.lua").write_text(WRK_SCRIPT)
    plain, v1, v2, http_port, auto_port, nginx_port, caddy_port = free_ports(7)
    inside = "\n  ".join(ANSWERS.format(port=port, body=body) for port, body in ((plain, "hello"), (v1, "v1"), (v2, "v2")))
    upstream = nginx(options, "upstream", plain, inside, 1)
    targets = {"upstream alone": (upstream, plain), "chora, http": (gateway(options, "http", http_port, plain), http_port)}
    try:
        targets["chora, auto"] = gateway(options, "auto", auto_port, plain, listener={"auto": {"service": "web"}}), auto_port
    except Unmeasured as error:
        # A binary from before such listeners refuses the whole table.
        if "unknown field `auto`" not in str(error):
            raise
    targets["nginx"] = nginx(options, "nginx", nginx_port, PROXIES.format(port=nginx_port, upstream=plain), "auto"), nginx_port
    targets["Caddy"] = caddy(options, caddy_port, plain), caddy_port

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians of {options.rounds} rounds of {options.seconds} s; wrk with {CONNECTIONS} connections, for added p99 with 1\n")
    print(f"{'':34}{'measured':62}wanted")
    if "chora, auto" not in targets:
        line("chora, auto", "not measured: this binary knows no `auto` listeners")
    quick = throughput(targets, options)
    added_time(targets, options)
    stop(*(child for name, (child, _) in targets.items() if name != "upstream alone"))
    growth(options, plain)
    switches(options, {"v1": v1, "v2": v2})
    if not quick:
        print("\nThe upstream alone is slower than it must be: the machine is busy or small, and nothing above says much about a proxy.")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("chora", "nginx", "caddy", "scratch"):
        options.add_argument(f"--{name}", required=True, type=os.path.abspath)
    for name, value in (("rounds", 5), ("seconds", 3), ("requests", 1_000_000)):
        options.add_argument(f"--{name}", type=int, default=value)
    options = options.parse_args()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="bench-gateway.", dir=options.scratch) as work:
        os.chdir(work)
        try:
            measure(options)
        except (Unmeasured, OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
            sys.exit(f"could not be measured: {error}")
        finally:
            # What ends the processes must not be ended itself.
            for number in signals:
                signal.signal(number, signal.SIG_IGN)
            stop(*list(children))
            os.chdir("/")


main()
