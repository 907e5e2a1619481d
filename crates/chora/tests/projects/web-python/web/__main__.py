"""A web service that says whether it and its stores are well, and counts its visitors in both."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from web.stores import connect, visits


def visit(agent):
    with connect() as database:
        database.execute("INSERT INTO visitors (agent) VALUES (%s)", (agent,))
        kept = database.execute("SELECT count(*) FROM visitors").fetchone()[0]
    return {"kept": kept, "counted": visits.incr("visits")}


def health():
    with connect() as database:
        database.execute("SELECT 1 FROM visitors LIMIT 1")
    return {"status": "ok" if visits.ping() else "down"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, answer = 200, health() if self.path == "/health" else visit(self.headers.get("User-Agent", ""))
        except Exception as error:  # Whatever it is, it is told.
            status, answer = 503, {"status": "down", "error": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
