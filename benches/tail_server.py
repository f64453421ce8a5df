"""Serves one node whose driver installer has ended, with a log of any length: what `benches/tail` measures against. With 0 lines the
installer runs, and its log comes as fast as it is taken and never ends: the flood of `benches/keys`.

usage: tail_server.py FIXTURES LINES PORTFILE
The log is written once into a file beside PORTFILE and sent from there, so that the server costs next to nothing; of a flood that file
has the number of lines sent so far.
"""
import datetime, http.server, itertools, json, os, pathlib, socketserver, sys, urllib.parse

fixtures, count, portfile = pathlib.Path(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
moment = json.loads((fixtures / ("05-running.json" if count else "02-init-running.json")).read_text())
http_bodies = json.loads((fixtures / "http.json").read_text())
log = portfile.with_suffix(".log")


def write_log():
    """Lines as an installer prints them, two hundred thousand a second, every fourth with the time of the one before it."""
    start = datetime.datetime(2026, 11, 23, 20, 0, 0)
    second_of = 200_000
    with open(log, "wb") as out:
        for second in range((count + second_of - 1) // second_of):
            prefix = (start + datetime.timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.")
            lines = [f"{prefix}{(n - (n % 4 == 3)) * 4999:09d}Z   CC [M]  /tmp/selfgz/kernel/nvidia/nv-{second}-{n}.o" for n in range(min(second_of, count - second * second_of))]
            out.write(("\n".join(lines) + "\n").encode())


def flood(send):
    """Sends line after line, each second of the log's time ten thousand of them."""
    start = datetime.datetime(2026, 11, 23, 20, 0, 0)
    second_of = 10_000
    lines = "".join(f"@{n * 99_999:09d}Z   CC [M]  /tmp/selfgz/kernel/nvidia/nv-{n}.o\n" for n in range(second_of)).encode()
    for second in itertools.count():
        prefix = (start + datetime.timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.").encode()
        send(lines.replace(b"@", prefix))
        log.write_text(str((second + 1) * second_of))


def chosen(items, query):
    field = query.get("fieldSelector", "")
    path, _, value = field.partition("=")
    def at(item):
        for part in path.split("."):
            item = item.get(part, {}) if isinstance(item, dict) else {}
        return item if isinstance(item, str) else ""
    return [item for item in items if not field or at(item) == value]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        name = url.path.strip("/").rsplit("/", 1)[-1]
        if name == "log" and not count:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                flood(self.wfile.write)
            except OSError:
                self.close_connection = True # nobody listens any more
        elif name == "log":
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(log.stat().st_size))
            self.end_headers()
            with open(log, "rb") as file:
                self.connection.sendfile(file)
        elif query.get("watch"):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif url.path in ("/version", "/api", "/apis", "/api/v1", "/apis/apps/v1"):
            key = {"/apis": "apis-apps-only", "/api/v1": "api-v1", "/apis/apps/v1": "apis-apps-v1"}.get(url.path, name)
            self.answer(http_bodies[key])
        else:
            items = {"nodes": [moment["node"]], "daemonsets": moment["daemonsets"], "pods": moment["pods"], "events": []}.get(name)
            if items is None:
                return self.answer(next(pod for pod in moment["pods"] if pod["metadata"]["name"] == name))
            self.answer({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": chosen(items, query)})


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


if count:
    write_log()
server = Server(("127.0.0.1", 0), Handler)
part = portfile.with_suffix(".part")
part.write_text(str(server.server_address[1]))
os.replace(part, portfile)
server.serve_forever()
