"""The mirror's web server: a directory over HTTP, nothing else. Started by lab/mirror.py inside the lab's network."""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class Handler(SimpleHTTPRequestHandler):
    """Plain files; connections stay open, as apt expects of a mirror."""

    protocol_version = "HTTP/1.1"


class Server(ThreadingHTTPServer):
    """As many hosts at once as like, none keeping the server from ending."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    address, port, directory = sys.argv[1:]
    Server((address, int(port)), partial(Handler, directory=directory)).serve_forever()
