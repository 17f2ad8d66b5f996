"""Says what the http.server of Python's standard library read of a request."""

import http.server
import json
import sys


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_method(self):
        length = int(self.headers.get("content-length", "0"))
        read = {
            "method": self.command,
            "target": self.path,
            "fields": self.headers.items(),
            "body": self.rfile.read(length).hex(),
        }
        text = json.dumps(read).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, *arguments):
        pass

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.handle_method
        raise AttributeError(name)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
