"""What many sites have instead: a small daemon for nginx's auth_request, with a dictionary as its
cache. Arguments: its socket, the directory's URL, the base, the account and its password."""

import base64
import http.server
import socketserver
import sys

import ldap
import ldap.filter

path, url, base, account, secret = sys.argv[1:]
known = {}


def authenticate(user, password):
    directory = ldap.initialize(url)
    directory.simple_bind_s(account, secret)
    wanted = ldap.filter.filter_format("(uid=%s)", [user])
    found = directory.search_s(base, ldap.SCOPE_SUBTREE, wanted, ["mail"])
    if len(found) != 1 or not password:
        return None
    dn, attributes = found[0]
    directory.simple_bind_s(dn, password)
    return attributes["mail"][0].decode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        given = self.headers.get("Authorization", "")
        try:
            if given not in known:
                user, _, password = base64.b64decode(given[6:]).decode().partition(":")
                known[given] = user, authenticate(user, password)
            user, mail = known[given]
            self.send_response(200)
            self.send_header("X-Remote-User", user)
            self.send_header("X-Remote-Email", mail)
        except (ValueError, ldap.LDAPError):
            self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def address_string(self):
        return "nginx"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


Server(path, Handler).serve_forever()
