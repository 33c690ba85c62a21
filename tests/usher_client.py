#!/usr/bin/env python3
"""A client of usherd in Python's standard library, written from the documentation of the crate
usher-protocol alone. It shows that a client in another language is an afternoon's work.

    usher_client.py SOCKET lookup USER [--realm R] [--client IP] [--require RULE]...
    usher_client.py SOCKET authenticate USER ...      (the password: a line on standard input)
    usher_client.py --vectors FILE                    (checks itself against known bytes)
"""
import argparse
import ipaddress
import json
import socket
import struct
import sys

OUTCOMES = ["granted", "found", "denied", "not_found", "unavailable", "forbidden", "invalid"]
REASONS = ["bad_credentials", "rule", "throttled", "account_disabled", "account_locked",
           "account_expired", "password_expired", "password_must_change", "no_such_user",
           "ambiguous_user", "no_host", "deadline", "overloaded", "peer_not_allowed",
           "unknown_realm", "bad_request"]
EXIT = {"granted": 0, "found": 0, "denied": 1, "not_found": 1, "unavailable": 3, "forbidden": 4,
        "invalid": 2}


# Encoding: a function for each kind of value, giving bytes.
def number(n):
    if n < 251:
        return bytes([n])
    for tag, form, limit in ((0xfb, "<H", 1 << 16), (0xfc, "<I", 1 << 32), (0xfd, "<Q", 1 << 64)):
        if n < limit:
            return bytes([tag]) + struct.pack(form, n)
    raise ValueError(n)


def data(value):
    return number(len(value)) + value


def text(value):
    return data(value.encode())


def option(encode, value):
    return b"\x00" if value is None else b"\x01" + encode(value)


def vector(encode, values):
    return number(len(values)) + b"".join(map(encode, values))


def address(value):
    packed = ipaddress.ip_address(value).packed
    return number(0 if len(packed) == 4 else 1) + packed


def query(user, realm=None, client=None, require=()):
    return option(text, realm) + text(user) + option(address, client) + vector(text, require)


def frame(message):
    return struct.pack(">I", 1 + len(message)) + b"\x01" + message


def request(call, id=1, timeout_ms=None):
    return frame(number(id) + option(number, timeout_ms) + call)


def authenticate(password, *args, **options):
    return number(0) + query(*args, **options) + data(password)


def lookup(*args, **options):
    return number(1) + query(*args, **options)


STATUS, RELOAD = number(2), number(3)


def flush(realm=None, user=None):
    return number(4) + option(text, realm) + option(text, user)


def unblock(user, realm=None):
    return number(5) + option(text, realm) + text(user)


def metrics(skip=0):
    return number(6) + number(skip)


def explain(password, *args, **options):
    return number(7) + query(*args, **options) + option(data, password)


def compare(file, seconds):
    return number(8) + text(file) + number(seconds)


class Answer:
    """Decoding: a method for each kind of value."""

    def __init__(self, message):
        self.rest = message
        self.id = self.number()
        self.kind = ["verdict", "status", "done", "failed", "metrics", "explained",
                     "compared"][self.number()]
        self.reply = {"verdict": self.verdict, "status": self.status,
                      "metrics": self.metrics, "explained": self.explanation,
                      "compared": self.comparison}.get(self.kind, self.text)()
        assert not self.rest, "bytes left over"

    def take(self, count):
        assert len(self.rest) >= count, "cut short"
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self):
        first = self.take(1)[0]
        if first < 0xfb:
            return first
        form, size = {0xfb: ("<H", 2), 0xfc: ("<I", 4), 0xfd: ("<Q", 8)}[first]
        return struct.unpack(form, self.take(size))[0]

    def text(self):
        return self.take(self.number()).decode()

    def option(self, decode):
        return decode() if self.take(1)[0] else None

    def vector(self, decode):
        return [decode() for _ in range(self.number())]

    def fields(self, numbers):
        return {name: self.number() for name in numbers.split()}

    def verdict(self):
        outcome = OUTCOMES[self.number()]
        return {"outcome": outcome} | (self.refusal() if EXIT[outcome] else self.identity())

    def identity(self):
        identity = {"user": self.text(), "realm": self.text(),
                    "metadata": dict(self.vector(lambda: (self.text(), self.text()))),
                    "groups": self.vector(self.text),
                    "source": ["directory", "cache", "stale"][self.number()],
                    "age_s": self.number()}
        warning = self.option(self.warning)
        return identity if warning is None else identity | {"warning": warning}

    def warning(self):
        return {["password_expires_s", "grace_logins"][self.number()]: self.number()}

    def refusal(self):
        refusal = {"reason": REASONS[self.number()], "message": self.text()}
        retry = self.option(self.number)
        return refusal if retry is None else refusal | {"retry_after_s": retry}

    def metrics(self):
        return {"text": self.text(), "more": bool(self.number())}

    def explanation(self):
        return {"verdict": self.verdict(),
                "steps": self.vector(lambda: [self.text(), self.text(), self.number()]),
                "hints": self.vector(self.text)}

    def comparison(self):
        return self.fields("compared different refused passed_over") | {
            "differences": self.vector(lambda: [self.option(self.text), self.text(), self.text(),
                                                self.text()])}

    def status(self):
        return {"version": self.text()} | self.fields(
            "pid uptime_s configured_s connections max_connections") | {
            "counters": self.fields("connections_opened connections_shed malformed_frames reloads"
                                    " reloads_failed log_lines_lost audit_events_lost"),
            "elsewhere": self.answers(),
            "realms": self.vector(self.realm)}

    def answers(self):
        sources = "directory cache stale"
        return {"granted": self.fields(sources), "found": self.fields(sources)} | self.fields(
            "denied not_found unavailable forbidden invalid") | {
            "reasons": dict(self.vector(lambda: (REASONS[self.number()], self.number())))}

    def histogram(self):
        return {"sum_us": self.number(), "counts": [self.number() for _ in range(19)]}

    def realm(self):
        return {"name": self.text(), "kind": self.text(), "hosts": self.vector(self.host),
                "cache": self.fields("entries bytes max_bytes hits misses evictions"),
                "problem": self.option(self.text),
                "shield": self.fields("blocked_users blocked_clients blocks known_wrong"),
                "answers": self.answers(), "last_minute": self.number(),
                "questions": self.fields("under_way asked joined"),
                "answer_time": self.histogram(), "find_time": self.histogram(),
                "verify_time": self.histogram()}

    def host(self):
        return {"url": self.text(),
                "state": ["untried", "up", "down", "proving"][self.number()]} | self.fields(
            "state_s failures search_lanes bind_lanes searching binding waiting waits"
            " hedges hedges_won") | {
            "search_time": self.histogram(), "bind_time": self.histogram(),
            "certificate_expires": self.option(self.number),
            "last_error": self.option(self.text)}


def receive(connection, count):
    received = b""
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise ConnectionError("usherd closed the connection")
        received += part
    return received


def ask(path, call, timeout_s=10):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        connection.connect(path)
        connection.sendall(request(call, timeout_ms=timeout_s * 1000))
        length, version = struct.unpack(">IB", receive(connection, 5))
        message = receive(connection, length - 1)
        assert version == 1, f"version {version}"
        return Answer(message)


def check(vectors):
    """Encodes every request of the file, and prints what its answers say."""
    full = dict(realm="corp", client="192.0.2.7", require=["group=dev|ops", "attribute:a=b"])
    requests = {
        "request.authenticate": request(authenticate(b"s3cret", "alice")),
        "request.authenticate.full": request(
            authenticate("pässword".encode(), "CORP\\jörg", **full), id=1 << 40, timeout_ms=1500),
        "request.lookup": request(lookup("alice"), id=250),
        "request.lookup.full": request(
            lookup("a" * 256, **full | dict(client="2001:db8::7")), id=65_536, timeout_ms=0),
        "request.status": request(STATUS, id=251),
        "request.reload": request(RELOAD, id=65_535),
        "request.flush": request(flush(), id=1),
        "request.flush.full": request(flush("corp", "alice"), id=2),
        "request.unblock": request(unblock("alice"), id=3),
        "request.unblock.full": request(unblock("jörg", "corp"), id=4),
        "request.metrics": request(metrics(700), id=5),
        "request.explain": request(explain(None, "bob"), id=5),
        "request.compare": request(compare("/etc/usher/new.toml", 600), id=7),
        "request.explain.full": request(explain(b"s3cret", "alice", **full), id=6),
    }
    for line in open(vectors, encoding="ascii"):
        if line.strip() and not line.startswith("#"):
            name, _, digits = line.partition(" = ")
            known = bytes.fromhex(digits)
            if name.startswith("request."):
                assert requests.pop(name) == known, name
            else:
                assert known[:5] == struct.pack(">IB", len(known) - 4, 1), name
                answer = Answer(known[5:])
                print(json.dumps({"name": name, "id": answer.id, answer.kind: answer.reply}))
    assert not requests, f"not in the file: {list(requests)}"


def main():
    if sys.argv[1:2] == ["--vectors"]:
        return check(sys.argv[2])
    arguments = argparse.ArgumentParser(description="A client of usherd")
    arguments.add_argument("socket")
    arguments.add_argument("command", choices=["lookup", "authenticate"])
    arguments.add_argument("user")
    arguments.add_argument("--realm")
    arguments.add_argument("--client")
    arguments.add_argument("--require", action="append", default=[])
    given = arguments.parse_args()
    options = dict(realm=given.realm, client=given.client, require=given.require)
    if given.command == "lookup":
        call = lookup(given.user, **options)
    else:
        password = sys.stdin.buffer.readline().rstrip(b"\r\n")
        call = authenticate(password, given.user, **options)
    answer = ask(given.socket, call).reply
    print(json.dumps(answer, ensure_ascii=False))
    return EXIT[answer["outcome"]]


if __name__ == "__main__":
    sys.exit(main())
