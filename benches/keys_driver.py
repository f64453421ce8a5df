"""Types keys into programs in pseudo terminals and measures how long their answers take: what `benches/keys` prints.

usage: keys_driver.py GPUNODE FOLDER KEYS
FOLDER holds `kubeconfig` and, beside the flood's server, `port.log` with the number of lines sent so far.
"""
import fcntl, os, pathlib, pty, random, re, select, signal, statistics, struct, subprocess, sys, termios, threading, time

program, work, keys = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
COLUMNS, ROWS = 100, 30
PATIENCE = 20
LINE = b"  CC [M]  /tmp/selfgz/kernel/nvidia/nv-0.o\n"


class Screen:
    """A program in a pseudo terminal, with as much of a terminal behind it as gpunode needs: cursor moves, erasures and text."""

    TOKEN = re.compile(rb"\x1b\[([0-9;?]*)([A-Za-z])|\x1b.|[\x00-\x1f\x7f]|[^\x1b\x00-\x1f\x7f]+", re.S)

    def __init__(self, command, extra=None):
        self.cells = [[" "] * COLUMNS for _ in range(ROWS)]
        self.row = self.column = 0
        self.rest = self.raw = b""
        env = {"PATH": os.environ["PATH"], "HOME": str(work), "TERM": "xterm-256color", "LANG": "C.UTF-8", **(extra or {})}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def read(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            data = os.read(self.fd, 1 << 16)
            self.raw = (self.raw + data)[-(1 << 17):]
            return data
        return b""

    def draw(self, data):
        data = self.rest + data
        cut = max(data.rfind(b"\x1b"), 0)
        # A sequence, or a letter of several bytes, that has only begun waits for the rest.
        end = cut if re.fullmatch(rb"\x1b(\[[0-9;?]*)?", data[cut:]) else len(data)
        while end and data[end - 1] >= 0x80 and data[:end].decode(errors="ignore").encode() != data[:end] and len(data) - end < 3:
            end -= 1
        data, self.rest = data[:end], data[end:]
        for token in self.TOKEN.finditer(data):
            values, kind = token.group(1), token.group(2)
            if kind == b"H":
                numbers = [int(part or 1) for part in (values or b"1;1").split(b";")] + [1]
                self.row, self.column = numbers[0] - 1, numbers[1] - 1
            elif kind == b"J":
                self.cells = [[" "] * COLUMNS for _ in range(ROWS)]
            elif kind is None and token.group()[0] >= 0x20:
                for letter in token.group().decode(errors="replace"):
                    if self.row < ROWS and self.column < COLUMNS:
                        self.cells[self.row][self.column] = letter
                    self.column += 1

    def shows(self, text):
        return any(text in "".join(row) for row in self.cells)

    def wait(self, is_there, drawn=True):
        end = time.monotonic() + PATIENCE
        while not is_there():
            if time.monotonic() > end:
                raise SystemExit("the answer never came:\n" + "\n".join("".join(row) for row in self.cells))
            data = self.read(0.5)
            if drawn:
                self.draw(data)
        return time.monotonic()

    def pause(self):
        """Goes on reading, as a terminal does, for a moment that falls into no rhythm of the program."""
        end = time.monotonic() + random.uniform(0.05, 0.15)
        while (left := end - time.monotonic()) > 0:
            data = self.read(left)
            self.draw(data) if self.drawn else None

    drawn = True

    def key(self, byte, is_there):
        """Types a key and returns how long the answer took, in milliseconds."""
        self.pause()
        self.raw = b""
        begun = time.monotonic()
        os.write(self.fd, byte)
        return (self.wait(is_there, self.drawn) - begun) * 1000

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def session():
    machine = pathlib.Path("/etc/machine-id")
    now = "2026-11-24T14:00:00Z"
    path = work / "session.yaml"
    path.write_text(f"""schema_version: 2
machine: {machine.read_text().strip() if machine.exists() else "unknown"}
hostname: node1
created: {now}
updated: {now}
step: verify
done: [detect, driver, variables]
answers: {{driver_owner: installer-pod, kubeconfig: {work}/kubeconfig, node: node1}}
""")
    path.chmod(0o600)
    return path


def gpunode():
    screen = Screen([program, "--session", str(session())])
    screen.wait(lambda: screen.shows("4 Verify"))
    screen.wait(lambda: screen.shows("CC [M]") or screen.shows("Since you were here"))
    if screen.shows("Since you were here"):
        os.write(screen.fd, b"\x1b")
    screen.wait(lambda: screen.shows("CC [M]") and screen.shows("p pause"))
    def sent():
        # The server may be writing it just now.
        while not (text := (work / "port.log").read_text()):
            time.sleep(0.001)
        return int(text)
    (lines, begun), times = (sent(), time.monotonic()), {"p": [], "?": []}
    for _ in range(keys // 4):
        times["p"].append(screen.key(b"p", lambda: screen.shows("p resume")))
        times["p"].append(screen.key(b"p", lambda: screen.shows("p pause")))
        times["?"].append(screen.key(b"?", lambda: screen.shows("About this step")))
        times["?"].append(screen.key(b"\x1b", lambda: screen.shows("p pause")))
    rate = (sent() - lines) / (time.monotonic() - begun)
    screen.end()
    yield "gpunode, step 4: p (stop following, follow)", rate, times["p"]
    yield "gpunode, step 4: ?, Esc (a page opens, closes)", rate, times["?"]


def less(rate):
    """`less +F` on a file that grows as fast as gpunode was fed, or as fast as this writes."""
    path, stop, written = work / "growing.log", threading.Event(), [0]
    def grow():
        with open(path, "wb", buffering=0) as file:
            while not stop.is_set():
                part = max(int(rate / 100), 1)
                file.write(LINE * part)
                written[0] += part
                time.sleep(0.01)
    threading.Thread(target=grow, daemon=True).start()
    time.sleep(0.2)
    screen = Screen(["less", "+F", str(path)], {"LESSHISTFILE": "-"})
    screen.drawn = False
    screen.wait(lambda: b"CC [M]" in screen.raw, False)
    lines, begun, times = written[0], time.monotonic(), []
    for _ in range(keys // 2):
        # It stops with its prompt, a colon or the file's name inverse, and wipes that away when it goes on.
        times.append(screen.key(b"\x03", lambda: re.search(rb":\x1b\[K|\x1b\[27m\x1b\[K", screen.raw)))
        times.append(screen.key(b"F", lambda: re.search(rb"\r\x1b\[K", screen.raw)))
    rate = (written[0] - lines) / (time.monotonic() - begun)
    stop.set()
    screen.end()
    yield "`less +F`: Ctrl-C, F (stop following, follow)", rate, times


def vi():
    screen = Screen(["vi", "-u", "NONE", str(work / "text")])
    screen.drawn = False
    screen.wait(lambda: b"text" in screen.raw, False)
    os.write(screen.fd, b"i")
    times = [screen.key(letter, lambda: letter in screen.raw) for letter in [bytes([97 + n % 26]) for n in range(keys)]]
    screen.end()
    yield "`vi`, idle: the echo of a letter", 0, times


rows = list(gpunode())
rows += [*less(rows[0][1]), *vi()]
print(f"{keys} keys each, {COLUMNS}x{ROWS}, {os.cpu_count()} CPUs")
print("| | lines a second meanwhile | median | 95 % within | worst |\n|---|---|---|---|---|")
for name, rate, times in rows:
    times.sort()
    late = times[min(len(times) - 1, len(times) * 95 // 100)]
    print(f"| {name} | {rate:,.0f} | {statistics.median(times):.1f} ms | {late:.1f} ms | {times[-1]:.1f} ms |")
