"""What the tests of remote tiers share: real servers, of each test's own."""

import json
import os
import shutil
import socket
import subprocess
import time

from program import OK, ProgramTest

UNREACHABLE = 5


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    for _ in range(1000):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError("the server did not come up")


def ask_redis(port: int, question: str) -> str:
    """The first line of what the server says past any store."""
    with socket.create_connection(("127.0.0.1", port)) as client, client.makefile("rw") as line:
        line.write(question + "\r\n")
        line.flush()
        return line.readline().strip()


class RemoteTest(ProgramTest):
    """Each test has servers of its own; they end with it."""

    def program(self, name: str) -> str | None:
        found = shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin")
        if found is None and name in os.environ.get("LARDER_TEST_REQUIRE", ""):
            self.fail(f"{name} is not installed, and LARDER_TEST_REQUIRE names it")
        if found is None:
            print(f"\nSKIPPED {self.id()}: {name} is not installed", flush=True)
            self.skipTest(f"{name} is not installed")
        return found

    def serve(self, port: int, *words: str) -> subprocess.Popen:
        with open(self.path("server.log"), "ab") as log:
            server = subprocess.Popen(words, stdout=log, stderr=log)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        wait_for(port)
        return server

    def redis(self, *settings: str) -> str:
        port = free_port()
        self.server = self.serve(port, self.program("redis-server"), "--port", str(port), "--bind",
                                 "127.0.0.1", "--save", "", "--dir", self.root, *settings)
        return f"redis://127.0.0.1:{port}"

    def nginx(self, limit: str = "client_max_body_size 100m;") -> str:
        port = free_port()
        here = self.path("nginx")
        os.makedirs(here + "/data/dav", exist_ok=True)
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = " ".join(f"{kind}_temp_path {here}/{kind};" for kind in
                             ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = self.write("nginx/conf", f"""
            load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so; {user} daemon off;
            master_process off; pid {here}/pid; error_log {here}/errors;
            events {{ worker_connections 64; }}
            http {{ access_log off; {limit} {temporary}
              server {{ listen 127.0.0.1:{port}; root {here}/data;
                location /dav {{ dav_methods PUT DELETE MKCOL; dav_ext_methods PROPFIND OPTIONS; }}
            }} }}""".encode())
        self.serve(port, self.program("nginx"), "-e", here + "/errors", "-c", conf)
        return f"webdav://127.0.0.1:{port}/dav"

    def on_machine(self, name: str, *words: str, code: int = OK, remote: str,
                   given: bytes = b"") -> bytes:
        """A machine is a store of its own."""
        return self.larder(*words, code=code, given=given, store=f"{self.layout}:{self.path(name)}",
                           LARDER_REMOTE=remote)

    def told(self, output: bytes) -> list[dict]:
        """What push, pull or prewarm tell of each tier, where every entry is in one count."""
        tiers = json.loads(output)
        for tier in tiers:
            counts = [tier[name] for name in
                      ("moved", "already_there", "absent", "gone", "other_key", "damaged",
                       "skipped", "failed")]
            self.assertEqual(tier["entries"], sum(counts), tier)
        return tiers
