"""Serves a large cluster: the node of a recorded moment among many others, each with five pods. Lists know field selectors and pages. What
was asked until the first list of `kubectl get --raw` repeats it is written beside PORTFILE (`.requests`): bytes of the answer, path.

usage: cluster_server.py MOMENT NODES PORTFILE
"""
import copy, http.server, json, os, pathlib, socketserver, sys, threading, urllib.parse

moment, count, portfile = json.loads(pathlib.Path(sys.argv[1]).read_text()), int(sys.argv[2]), pathlib.Path(sys.argv[3])
nodes, pods = [moment["node"]], list(moment["pods"])
for number in range(count):
    node = copy.deepcopy(moment["node"])
    node["metadata"].update(name=f"other-{number}", uid=f"node-{number}")
    nodes.append(node)
    for place in range(5):
        pod = copy.deepcopy(moment["pods"][0])
        pod["metadata"].update(name=f"other-{number}-{place}", uid=f"pod-{number}-{place}")
        pod["spec"]["nodeName"] = f"other-{number}"
        pods.append(pod)
bodies = json.loads((pathlib.Path(sys.argv[1]).parents[1] / "http.json").read_text())
discovery = {"/version": "version", "/api": "api", "/apis": "apis-apps-only", "/api/v1": "api-v1", "/apis/apps/v1": "apis-apps-v1"}
kinds = {"nodes": nodes, "pods": pods, "daemonsets": moment["daemonsets"], "events": moment["events"]}
asked, lock = [], threading.Lock()


def at(item, path):
    for part in path.split("."):
        item = item.get(part, {}) if isinstance(item, dict) else {}
    return item if isinstance(item, str) else ""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, data, kind="application/json"):
        with lock:
            if self.path not in [path for _, path in asked]:
                asked.append((len(data), self.path))
                portfile.with_suffix(".requests").write_text("".join(f"{size} {path}\n" for size, path in asked))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.strip("/").split("/")
        if parts[-1] == "log":
            return self.answer(b"device-plugin registered with the kubelet\n", "text/plain")
        if url.path in discovery:
            return self.answer(json.dumps(bodies[discovery[url.path]]).encode())
        if parts[-1] not in kinds:
            found = [item for item in pods if item["metadata"]["name"] == parts[-1]]
            return self.answer(json.dumps({**(found or [{}])[0], "kind": "Pod", "apiVersion": "v1"}).encode())
        path, _, value = query.get("fieldSelector", "").partition("=")
        items = [item for item in kinds[parts[-1]] if not path or at(item, path) == value]
        start = int(query.get("continue", 0))
        end = min(len(items), start + int(query.get("limit", len(items))))
        meta = {"resourceVersion": "1", "continue": str(end) if end < len(items) else ""}
        self.answer(json.dumps({"kind": "List", "apiVersion": "v1", "metadata": meta, "items": items[start:end]}).encode())


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


server = Server(("127.0.0.1", 0), Handler)
part = portfile.with_suffix(".part")
part.write_text(str(server.server_address[1]))
os.replace(part, portfile)
server.serve_forever()
