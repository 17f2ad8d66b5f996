"""Says what a WSGI server read of a request."""

import json


def app(environ, start_response):
    fields = [
        [name[len("HTTP_"):].replace("_", "-"), value]
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    if environ.get("CONTENT_TYPE"):
        fields.append(["content-type", environ["CONTENT_TYPE"]])
    read = {
        "method": environ["REQUEST_METHOD"],
        "target": environ["RAW_URI"],
        "fields": fields,
        "body": environ["wsgi.input"].read().hex(),
    }
    text = json.dumps(read).encode()
    start_response(
        "200 OK",
        [("content-type", "application/json"), ("content-length", str(len(text)))],
    )
    return [text] if environ["REQUEST_METHOD"] != "HEAD" else []
