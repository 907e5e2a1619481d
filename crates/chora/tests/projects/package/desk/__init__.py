"""Counts its visitors."""

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Visits(BaseHTTPRequestHandler):
    count = 0

    def do_GET(self) -> None:
        if self.path == "/health":
            body = {"status": "ok"}
        else:
            Visits.count += 1
            body = {"visits": Visits.count}
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


def main() -> None:
    HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Visits).serve_forever()
