"""A server that speaks the part of Atlassian Crowd's REST API that applications ask for users by:
rest/usermanagement/1, in JSON, as its documentation has it. It also misbehaves where a user's name
asks for that.

Usage: crowd.py [CERTIFICATE KEY]. Prints its port, and a line for each request.
"""

import base64
import json
import signal
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

API = "/crowd/rest/usermanagement/1/"
APPLICATION = "usher:application-secret"
FORBIDDEN = "stranger:application-secret"

USERS = {
    "alice": ("Alice", "Archer", "Alice@Example.COM", True, ["dev"]),
    "bob": ("Bob", "Baker", "bob@example.com", True, ["ops"]),
    "jörg & co": ("Jörg", "Müller", "joerg@example.com", True, []),
    "inactive": ("In", "Active", "in@example.com", False, []),
    "expired": ("Ex", "Pired", "ex@example.com", True, []),
    "many": ("Ma", "Ny", "many@example.com", True, ["group%d" % n for n in range(2500)]),
    "closing": ("Clo", "Sing", "closing@example.com", True, []),
    "hostile-json": ("H", "J", "h@example.com", True, []),
    "hostile-large": ("H", "L", "h@example.com", True, []),
    "hostile-other": ("H", "O", "h@example.com", True, []),
    "hostile-status": ("H", "S", "h@example.com", True, []),
}


# The groups that a group is in.
PARENTS = {"dev": ["engineers"], "engineers": ["staff"]}


def nested(groups):
    """These, and those that they are in, each once."""
    known = list(groups)
    for group in known:
        known += [parent for parent in PARENTS.get(group, []) if parent not in known]
    return known


def user(name, expanded):
    first, last, mail, active, _ = USERS[name]
    attributes = [{"name": "costCentre", "values": ["42"]}] if expanded else []
    return {
        "expand": "attributes",
        "link": {"href": "http://localhost/crowd", "rel": "self"},
        "name": name,
        "first-name": first,
        "last-name": last,
        "display-name": f"{first} {last}",
        "email": mail,
        "active": active,
        "password": {"link": {"href": "http://localhost/crowd", "rel": "edit"}},
        "attributes": {
            "attributes": attributes,
            "link": {"href": "http://localhost/crowd", "rel": "self"},
        },
    }


class Crowd(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer are two writes.
    disable_nagle_algorithm = True

    def answer(self, status, body, raw=False):
        data = body if raw else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, reason):
        self.answer(status, {"reason": reason, "message": "as it is"})

    def admitted(self):
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        pair = base64.b64decode(given).decode()
        if pair == FORBIDDEN:
            self.answer(403, b"Client with address 127.0.0.1 is forbidden", raw=True)
        elif pair != APPLICATION:
            self.answer(401, b"Application failed to authenticate", raw=True)
        return pair == APPLICATION

    def do_GET(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if not self.admitted():
            return
        name = query.get("username", "").lower()
        what = url.path.removeprefix(API)
        if what == "search":
            self.answer(200, {"users": [{"name": "alice"}]})
        elif name not in USERS:
            if name.startswith("slow"):
                time.sleep(0.05)
            self.refuse(404, "USER_NOT_FOUND")
        elif what == "user":
            self.tell(name, "attributes" in query.get("expand", "").split(","))
        elif what in ("user/group/direct", "user/group/nested"):
            start, most = int(query["start-index"]), int(query["max-results"])
            groups = USERS[name][4]
            groups = nested(groups) if what.endswith("nested") else groups
            groups = groups[start : start + most]
            self.answer(200, {"expand": "group", "groups": [{"name": it} for it in groups]})
        else:
            self.answer(404, b"<html>", raw=True)

    def tell(self, name, expanded):
        if name == "hostile-json":
            self.answer(200, b"[" * 100000, raw=True)
        elif name == "hostile-large":
            self.answer(200, b'{"name":"' + b"x" * (8 << 20) + b'"}', raw=True)
        elif name == "hostile-other":
            self.answer(200, user("alice", expanded))
        elif name == "hostile-status":
            self.answer(302, b"", raw=True)
        else:
            self.answer(200, user(name, expanded))
            # As servers do that have had enough of a connection: without a word.
            self.close_connection = name == "closing"

    def do_POST(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.admitted():
            return
        name = parse_qs(url.query)["username"][0].lower()
        if url.path.removeprefix(API) != "authentication":
            self.answer(404, b"<html>", raw=True)
        elif name not in USERS:
            self.refuse(400, "USER_NOT_FOUND")
        elif name == "inactive":
            self.refuse(400, "INACTIVE_ACCOUNT")
        elif json.loads(body)["value"] != f"{name}-secret":
            self.refuse(400, "INVALID_USER_AUTHENTICATION")
        elif name == "expired":
            self.refuse(400, "EXPIRED_CREDENTIAL")
        else:
            self.answer(200, user(name, False))

    def log_message(self, form, *values):
        print(f"{self.client_address[1]} {self.command} {self.path}", flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    lock = threading.Lock()
    open = 0

    def process_request_thread(self, request, client_address):
        self.count(1)
        super().process_request_thread(request, client_address)

    def shutdown_request(self, request):
        self.count(-1)
        super().shutdown_request(request)

    def count(self, more):
        with self.lock:
            self.open += more
            print(f"open {self.open}", flush=True)

    def get_request(self):
        stream, address = super().get_request()
        if len(sys.argv) > 1:
            stream = CONTEXT.wrap_socket(stream, server_side=True, do_handshake_on_connect=False)
        return stream, address

    def handle_error(self, request, client_address):
        pass


if len(sys.argv) > 1:
    CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CONTEXT.load_cert_chain(sys.argv[1], sys.argv[2])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = Server(("127.0.0.1", 0), Crowd)
print(f"port {server.server_address[1]}", flush=True)
server.serve_forever()
