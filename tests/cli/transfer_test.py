"""What push, pull and prewarm say of what became of each entry."""

import http.server
import os
import socket
import socketserver
import subprocess
import threading
import unittest
from typing import Callable

from program import A, B, C, NOT_FOUND, OK, PROGRAM, REFUSED, every_layout
from servers import UNREACHABLE, RemoteTest, free_port


class TransferTest(RemoteTest):
    def fill(self, remote: str, count: int, size: int) -> list[str]:
        """So many entries on a server, put by machine a."""
        names = [f"{number:064x}" for number in range(1, count + 1)]
        for name in names:
            self.larder("put", name, "-", given=os.urandom(size), store=self.machine("a"))
        self.larder("push", store=self.machine("a"), LARDER_REMOTE=remote)
        return names

    def machine(self, name: str) -> str:
        return f"{self.layout}:{self.path(name)}"

    def run_verb(self, machine: str, *words: str, code: int, remote: str,
                 **variables: str) -> subprocess.CompletedProcess:
        result = self.run_words(self.command(*words, store=self.machine(machine)),
                                LARDER_REMOTE=remote, **variables)
        self.expect(result, code)
        return result


@every_layout
class SmallStoreTest(TransferTest):
    def fetching(self, count: int, size: int) -> tuple[str, list[tuple[str, ...]]]:
        """A server with so many entries, and the verbs that fetch them all."""
        remote = self.redis()
        names = self.fill(remote, count, size)
        listed = self.write("names", "\n".join(names).encode())
        return remote, [("pull",), ("prewarm", listed)]

    def test_what_finds_no_room_for_long_is_told(self) -> None:
        remote, verbs = self.fetching(12, 600_000)
        for number, verb in enumerate(verbs):
            machine = f"b{number}"
            result = self.run_verb(machine, "--format", "json", *verb, code=OK, remote=remote,
                                   LARDER_MAX_SIZE="4M")
            [told] = self.told(result.stdout)
            stay = self.larder("list", store=self.machine(machine)).count(b"\n")
            self.assertLess(stay, 12)
            self.assertEqual((told["moved"], told["evicted"]), (12, 12 - stay))
            self.assertIn(f"{12 - stay} entries left the local store to make room; raise "
                          "LARDER_MAX_SIZE", result.stderr.decode())
            text = self.run_verb(machine, *verb, code=OK, remote=remote, LARDER_MAX_SIZE="4M")
            self.assertRegex(text.stdout.decode(), r", \d+ evicted\n")

    def test_what_the_store_refuses_is_not_too_large_for_the_tier(self) -> None:
        remote, verbs = self.fetching(2, 600_000)
        for verb in verbs:
            result = self.run_verb("b", "--format", "json", *verb, code=REFUSED, remote=remote,
                                   LARDER_MAX_SIZE="300K")
            [told] = self.told(result.stdout)
            self.assertEqual((told["moved"], told["skipped"], told["failed"]), (0, 0, 2))
            self.assertIn(b"raise the budget", result.stderr)


class Gate:
    """A server in front of another one; before the first word goes through, `first` is called."""

    def __init__(self, test: RemoteTest, port: int, first: Callable[[], None]) -> None:
        self.behind, self.first = port, first
        self.front = socket.create_server(("127.0.0.1", 0))
        self.front.settimeout(60)  # where nobody comes the test fails, and ends
        self.port = self.front.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        test.addCleanup(self.thread.join)
        test.addCleanup(self.front.close)

    def serve(self) -> None:
        client, _ = self.front.accept()
        with client, socket.create_connection(("127.0.0.1", self.behind)) as server:
            said = client.recv(1 << 16)
            self.first()
            while said:
                server.sendall(said)
                client.sendall(server.recv(1 << 16))
                said = client.recv(1 << 16)


class PushTest(TransferTest):
    def new_key(self, name: str) -> str:
        path = self.path(name)
        self.expect(self.run_words([PROGRAM, "key", "new", path]), OK)
        return path

    def push(self, *key: str, remote: str) -> tuple[dict, str]:
        result = self.run_verb("a", *key, "--format", "json", "push", code=OK, remote=remote)
        [told] = self.told(result.stdout)
        return told, result.stderr.decode()

    def test_what_is_of_another_key_stays_and_is_told(self) -> None:
        remote, ours, theirs = self.redis(), self.new_key("ours"), self.new_key("theirs")
        here = self.machine("a")
        for name, key in ((A, ours), (B, theirs), (C, theirs)):
            self.larder("--key-file", key, "put", name, "-", given=b"x", store=here)
        for key, moved, says in ((("--key-file", ours), 1, "a later line"), ((), 0, "--key-file")):
            told, said = self.push(*key, remote=remote)
            self.assertEqual((told["entries"], told["moved"], told["other_key"]),
                             (3, moved, 3 - moved))
            self.assertIn(f"{3 - moved} of another key in the local store were not sent to "
                          f"{remote}; ", said)
            self.assertIn(says, said)

    def test_what_goes_meanwhile_is_counted(self) -> None:
        remote, here = self.redis(), self.machine("a")
        for name in (A, B, C):
            self.larder("put", name, "-", given=b"x", store=here)
        gate = Gate(self, int(remote.rsplit(":", 1)[1]),
                    lambda: self.larder("clear", store=here) and None)
        told, _ = self.push(remote=f"redis://127.0.0.1:{gate.port}")
        self.assertEqual((told["entries"], told["moved"], told["gone"]), (3, 1, 2))


class PushPackTest(PushTest):
    layout = "pack"

    def test_an_entry_of_two_keys_is_one(self) -> None:
        remote, ours, theirs = self.redis(), self.new_key("ours"), self.new_key("theirs")
        both = self.write("both", self.read(ours) + self.read(theirs))
        os.chmod(both, 0o600)
        here = self.machine("a")
        for key in (ours, theirs):
            self.larder("--key-file", key, "put", A, "-", given=b"x", store=here)
        told, said = self.push("--key-file", both, remote=remote)
        self.assertEqual((told["entries"], told["moved"], said), (1, 1, ""))
        told, _ = self.push("--key-file", ours, remote=remote)
        self.assertEqual((told["entries"], told["already_there"], told["other_key"]), (2, 1, 1))


class NoServer(http.server.BaseHTTPRequestHandler):
    """Has no operation at all."""

    def log_message(self, *_: object) -> None:
        pass


class Slots:
    """Tells which servers of a cluster have which slots, and nothing else."""

    def __init__(self, test: RemoteTest, owners: list[tuple[int, int, int]]) -> None:
        answer = f"*{len(owners)}\r\n" + "".join(
            f"*3\r\n:{first}\r\n:{last}\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n"
            for first, last, port in owners)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                while self.request.recv(1 << 16):
                    self.request.sendall(answer.encode())

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        test.addCleanup(server.server_close)
        test.addCleanup(thread.join)
        test.addCleanup(server.shutdown)


class FailureTest(TransferTest):
    def refuse_all(self) -> int:
        """The port of a server that answers everything with 501."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NoServer)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return server.server_address[1]

    def put_some(self, count: int) -> None:
        for number in range(1, count + 1):
            self.larder("put", f"{number:064x}", "-", given=b"x" * 99, store=self.machine("a"))

    def beside_nginx(self, port: int, code: int) -> tuple[str, int]:
        """A tier of two servers, and how many of 40 entries the one that works has."""
        up = self.nginx().removeprefix("webdav://").removesuffix("/dav")
        remote = f"webdav://*/dav shards={up},127.0.0.1:{port}"
        self.put_some(40)
        result = self.run_verb("a", "--format", "json", "push", code=code, remote=remote)
        [told] = self.told(result.stdout)
        self.assertGreater(told["moved"], 5)
        self.assertGreater(told["failed"], 5)
        return remote, told["moved"]

    def test_what_one_of_two_servers_lists_is_told(self) -> None:
        remote, there = self.beside_nginx(self.refuse_all(), REFUSED)
        result = self.run_verb("b", "--format", "json", "pull", code=REFUSED, remote=remote)
        [told] = self.told(result.stdout)
        self.assertEqual((told["moved"], told["left_out"], told["listed"]), (there, False, False))
        self.assertIn(b"the server cannot list; switch PROPFIND on there", result.stderr)
        text = self.run_verb("b", "pull", code=REFUSED, remote=remote).stdout.decode()
        self.assertIn(f"{there} there already, not all could be listed", text)

    def test_what_the_other_servers_of_a_cluster_list_is_moved(self) -> None:
        remote = self.redis()
        names = self.fill(remote, 40, 9)
        cluster = Slots(self, [(0, 16381, int(remote.rsplit(":", 1)[1])),
                               (16382, 16383, free_port())])
        result = self.run_verb("b", "--format", "json", "pull", code=UNREACHABLE,
                               remote=f"redis-cluster://127.0.0.1:{cluster.port}")
        [told] = self.told(result.stdout)
        self.assertEqual((told["moved"], told["failed"], told["listed"]), (len(names), 0, False))
        self.assertIn(b"cannot be connected to; is the server up?", result.stderr)

    def test_a_server_that_is_down_shows_behind_damage(self) -> None:
        remote, there = self.beside_nginx(free_port(), UNREACHABLE)
        names = []
        for base, _, files in os.walk(self.path("nginx/data/dav")):
            for name in files:
                names.append(name.removesuffix(".art"))
                with open(os.path.join(base, name), "r+b") as file:
                    file.seek(-50, os.SEEK_END)
                    file.write(b"y")
        self.assertEqual(len(names), there)
        names += [f"{number:064x}" for number in range(1, 41)
                  if f"{number:064x}" not in names]
        listed = self.write("names", "\n".join(names).encode())
        result = self.run_verb("b", "--format", "json", "prewarm", listed, code=UNREACHABLE,
                               remote=remote)
        [told] = self.told(result.stdout)
        self.assertEqual((told["damaged"], told["failed"]), (there, 40 - there))
        damage, silence = result.stderr.splitlines()
        self.assertIn(b"is not what was put", damage)
        self.assertIn(b"connect", silence)

    def test_what_a_list_names_twice_is_fetched_once(self) -> None:
        remote = self.redis()
        names = self.fill(remote, 2, 9)
        listed = self.write("names", "\n".join([*names, *names, C, C]).encode())
        result = self.run_verb("b", "--format", "json", "prewarm", listed, code=NOT_FOUND,
                               remote=remote)
        [told] = self.told(result.stdout)
        self.assertEqual((told["entries"], told["moved"], told["absent"]), (3, 2, 1))
        self.assertIn(b"1 entry of", result.stderr)

    def test_whose_limit_was_too_small_is_told(self) -> None:
        for name in (A, B):
            self.larder("put", name, "-", given=b"x" * 20_000, store=self.machine("a"))
        redis = self.redis()
        limited = f"{redis} max-entry-size=8KiB"
        for remote, says in ((limited, "20000 bytes are over max-entry-size; raise it, or leave"),
                             (self.nginx("client_max_body_size 5k;"),
                              "does not take so much; raise its limit, or lower max-entry-size")):
            result = self.run_verb("a", "push", code=OK, remote=remote)
            said = self.expect_line(result, OK, says)
            self.assertIn("warning: 2 entries too large to be sent; ", said)
            self.assertIn(b" 0 of 2 entries (0 B), 0 there already, 2 too large", result.stdout)
        self.run_verb("a", "push", code=OK, remote=redis)
        listed = self.write("names", f"{A}\n{B}\n".encode())
        for verb in (("pull",), ("prewarm", listed)):
            code = OK if verb[0] == "pull" else NOT_FOUND
            result = self.run_verb("b", *verb, code=code, remote=limited)
            self.assertIn(f"2 entries in {redis} left there, over its max-entry-size; raise it",
                          result.stderr.decode())

    def test_a_refusal_is_no_silence(self) -> None:
        self.put_some(3)
        remote = f"webdav://127.0.0.1:{self.refuse_all()}/x"
        result = self.run_verb("a", "push", code=REFUSED, remote=remote)
        self.expect_line(result, REFUSED, "has no such operation")

    def test_what_was_not_tried_is_told(self) -> None:
        self.put_some(70)
        remote = f"redis://127.0.0.1:{free_port()}"
        result = self.run_verb("a", "--format", "json", "push", code=UNREACHABLE, remote=remote)
        [told] = self.told(result.stdout)
        self.assertEqual((told["failed"], told["not_tried"]), (70, 6))
        text = self.run_verb("a", "push", code=UNREACHABLE, remote=remote).stdout.decode()
        self.assertIn("70 failed (6 not tried)", text)
        text = self.run_verb("a", "pull", code=UNREACHABLE, remote=remote).stdout.decode()
        self.assertEqual(text, f"{remote}: could not be listed\n")


if __name__ == "__main__":
    unittest.main()
