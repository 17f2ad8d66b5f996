"""An app that breaks every rule of determinism: random ids, the clock, and the order of a set.

Python's standard library alone; the port comes from the environment.
"""

import json
import os
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A set of strings comes in another order in every process.
LABELS = {"x-red", "x-green", "x-blue", "x-black", "x-white", "x-grey", "x-pink", "x-gold"}


class Dice(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/ticket":
            self.answer({"who": "anybody"}, [("x-ticket", uuid.uuid4().hex)])
        elif self.path == "/everything":
            body = {"id": uuid.uuid4().hex, "at": time.time()}
            self.answer(body, [(label, "1") for label in LABELS])
        else:
            self.answer({"well": True}, [])

    def answer(self, document, fields):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Dice).serve_forever()
