"""The program with remote tiers, on real servers: Redis, and nginx with WebDAV."""

import json
import os
import signal
import unittest
from typing import Callable

from program import A, B, C, NOT_FOUND, OK, PROGRAM, REFUSED, USAGE, every_layout
from servers import UNREACHABLE, RemoteTest, free_port

SECRET = "nobody-may-see-this"


@every_layout
class TiersTest(RemoteTest):
    def both(self, check: Callable[[str], None]) -> None:
        for start in (self.redis, self.nginx):
            with self.subTest(start.__name__):
                check(start())

    def test_what_one_machine_puts_another_gets(self) -> None:
        def check(remote: str) -> None:
            a, b = remote[:5] + "-a", remote[:5] + "-b"
            payload = os.urandom(100_000)
            self.on_machine(a, "put", A, "-", given=payload, remote=remote)
            self.on_machine(b, "exists", A, remote=remote)
            self.assertEqual(self.on_machine(b, "get", A, remote=remote), payload)
            self.on_machine(b, "get", B, code=NOT_FOUND, remote=remote)
            there = self.larder("get", A, store=f"{self.layout}:{self.path(b)}")
            self.assertEqual(there, payload, "it is kept here now")
        self.both(check)

    def test_once_compiles_on_one_machine_only(self) -> None:
        remote = self.redis()
        script = self.write("compile", b"#!/bin/sh\necho ran >> ran\necho object > $1\n")
        os.chmod(script, 0o755)
        for machine in ("a", "b", "c"):
            out = self.path("out-" + machine)
            self.on_machine(machine, "once", A, "-o", out, "--", script, out, remote=remote)
            self.assertEqual(self.read(out), b"object\n")
        self.assertEqual(self.read(self.path("ran")), b"ran\n")

    def test_push_and_pull_move_every_entry(self) -> None:
        def check(remote: str) -> None:
            a, b = remote[:5] + "-a", remote[:5] + "-b"
            here = f"{self.layout}:{self.path(a)}"
            for fingerprint in (A, B, C):
                self.larder("put", fingerprint, "-", given=fingerprint.encode(), store=here)
            said = self.told(self.on_machine(a, "--format", "json", "push", remote=remote))
            self.assertEqual((said[0]["moved"], said[0]["already_there"]), (3, 0))
            said = self.told(self.on_machine(a, "--format", "json", "push", remote=remote))
            self.assertEqual((said[0]["moved"], said[0]["already_there"]), (0, 3))
            text = self.on_machine(b, "pull", remote=remote).decode()
            self.assertIn("3 of 3 entries", text)
            self.larder("verify", store=f"{self.layout}:{self.path(b)}")
            self.assertEqual(self.larder("get", C, store=f"{self.layout}:{self.path(b)}"),
                             C.encode())
        self.both(check)


class KeyedTest(RemoteTest):
    def new_key(self, name: str) -> str:
        path = self.path(name)
        self.expect(self.run_words([PROGRAM, "key", "new", path]), OK)
        return path

    def test_a_key_is_that_of_every_tier(self) -> None:
        remote, ours, theirs = self.redis(), self.new_key("ours"), self.new_key("theirs")
        self.on_machine("a", "--key-file", ours, "put", A, "-", given=b"ours", remote=remote)
        self.on_machine("a", "--key-file", ours, "doctor", remote=remote)
        self.assertEqual(self.on_machine("b", "--key-file", ours, "get", A, remote=remote), b"ours")
        for machine, words in (("c", ()), ("d", ("--key-file", theirs))):
            self.on_machine(machine, *words, "get", A, code=NOT_FOUND, remote=remote)
            self.on_machine(machine, *words, "put", B, "-", given=b"planted", remote=remote)
            self.on_machine("b", "--key-file", ours, "get", B, code=NOT_FOUND, remote=remote)
        self.on_machine("a", "--key-file", ours, "push", remote=remote)
        self.on_machine("e", "--key-file", ours, "pull", remote=remote)
        there = f"{self.layout}:{self.path('e')}"
        self.assertEqual(self.larder("--key-file", ours, "get", A, store=there), b"ours")
        self.larder("--key-file", ours, "get", B, code=NOT_FOUND, store=there)


    def test_what_is_of_another_key_or_damaged_is_not_said_to_be_absent(self) -> None:
        remote, ours, theirs = self.nginx(), self.new_key("ours"), self.new_key("theirs")
        for fingerprint in (A, B):
            self.on_machine("a", "--key-file", ours, "put", fingerprint, "-", given=b"x" * 99,
                            remote=remote)
        names = self.write("names", f"{A}\n{B}\n{C}\n".encode())
        for words, says in (((), b"--key-file"), (("--key-file", theirs), b"a later line")):
            for verb, absent, code in ((("pull",), 0, OK), (("prewarm", names), 1, NOT_FOUND)):
                told, said = self.move(words, verb, code, remote)
                self.assertEqual((told["other_key"], told["absent"], told["failed"]),
                                 (2, absent, 0))
                self.assertIn(b"2 of another key in " + remote.encode(), said)
                self.assertIn(says, said)
        self.larder("put", "d" * 64, "-", store=f"{self.layout}:{self.path('b')}")
        text = self.on_machine("b", "pull", remote=remote).decode()
        self.assertIn("0 of 2 entries (0 B), 0 there already, 2 of another key", text)
        text = self.on_machine("b", "stats", remote=remote).decode()
        self.assertRegex(text, "Of another key +2\n")
        self.tamper(A)
        told, said = self.move(("--key-file", ours), ("pull",), REFUSED, remote)
        self.assertEqual((told["moved"], told["damaged"], told["failed"]), (1, 1, 0))
        self.assertIn(b"is not what was put", said)

    def tamper(self, fingerprint: str) -> None:
        path = self.path(f"nginx/data/dav/{fingerprint[:2]}/{fingerprint}.art")
        with open(path, "r+b") as file:
            file.seek(-50, os.SEEK_END)
            file.write(b"y")

    def move(self, key: tuple, words: tuple, code: int, remote: str) -> tuple[dict, bytes]:
        """Into machine b: what became of the entries, and what was said."""
        there = f"{self.layout}:{self.path('b')}"
        command = self.command(*key, "--format", "json", *words, store=there)
        result = self.run_words(command, LARDER_REMOTE=remote)
        self.expect(result, code)
        return self.told(result.stdout)[0], result.stderr


class TroubleTest(RemoteTest):
    def test_a_server_that_is_down_is_no_trouble(self) -> None:
        remote = f"redis://127.0.0.1:{free_port()}"
        self.larder("put", A, "-", given=b"x", LARDER_REMOTE=remote)
        self.assertEqual(self.larder("get", A, LARDER_REMOTE=remote), b"x")
        self.larder("get", B, code=NOT_FOUND, LARDER_REMOTE=remote)
        for verb in ("push", "pull", "doctor"):
            result = self.run_words(self.command(verb), LARDER_REMOTE=remote)
            self.expect(result, UNREACHABLE)
            self.assertIn(remote, (result.stdout + result.stderr).decode())

    def test_one_of_several_servers_that_is_down_costs_its_own_entries(self) -> None:
        up, down = self.redis(), f"redis://127.0.0.1:{free_port()}"
        shards = ",".join(url.removeprefix("redis://") for url in (down, up))
        remote = f"redis://* shards={shards}"
        # Of 150 in a row none is on the server that is up once in 2^150.
        names = [f"{number:064x}" for number in range(1, 151)]
        for name in names:
            self.larder("put", name, "-", given=b"x")
        pushed = self.transfer("push", remote)
        self.assertEqual(pushed["moved"] + pushed["failed"], len(names))
        self.assertGreater(pushed["moved"], 30)
        self.assertGreater(pushed["failed"], 30)
        there = f"{self.layout}:{self.path('b')}"
        pulled = self.transfer("pull", remote, store=there)
        self.assertEqual(pulled["moved"], pushed["moved"])
        listed = self.write("names", "\n".join(names).encode())
        there = f"{self.layout}:{self.path('c')}"
        warmed = self.transfer("prewarm", remote, listed, store=there)
        self.assertEqual(warmed["moved"], pushed["moved"])
        self.assertEqual(warmed["failed"], pushed["failed"])

    def test_servers_that_hang_are_waited_for_once_and_together(self) -> None:
        up = self.redis()
        hung = []
        for _ in range(2):
            hung.append(self.redis())
            self.server.send_signal(signal.SIGSTOP)
        hosts = ",".join(url.removeprefix("redis://") for url in (*hung, up))
        remote = f"redis://* shards={hosts} request-timeout=600ms breaker=1/200ms"
        names = [f"{number:064x}" for number in range(1, 41)]
        for name in names:
            self.larder("put", name, "-", given=b"x")
        pushed = self.transfer("push", remote)
        self.assertGreater(pushed["failed"], 10)
        self.assertGreater(pushed["moved"], 1)
        listed = self.write("names", "\n".join(names).encode())
        there = f"{self.layout}:{self.path('b')}"
        warmed = self.transfer("prewarm", remote, listed, store=there)
        self.assertEqual(warmed["moved"], pushed["moved"])
        told = json.loads(self.larder("--format", "json", "stats", LARDER_REMOTE=remote))
        counted = told["remotes"][0]
        self.assertEqual(counted["upload_failures"] + counted["uploads_skipped"], pushed["failed"])
        # One for each server; where the machine is busy, a second after the breaker's pause.
        self.assertLess(counted["upload_failures"], 6)

    def transfer(self, verb: str, remote: str, *words: str, store: str | None = None) -> dict:
        """What became of the entries, where a server is down."""
        command = self.command("--format", "json", verb, *words, store=store)
        result = self.run_words(command, LARDER_REMOTE=remote)
        self.expect(result, UNREACHABLE)
        return self.told(result.stdout)[0]

    def test_a_server_that_hangs_costs_its_budget_and_no_more(self) -> None:
        remote = self.redis() + " request-timeout=300ms"
        self.larder("put", A, "-", given=b"x", LARDER_REMOTE=remote)
        self.server.send_signal(signal.SIGSTOP)
        self.assertEqual(self.larder("get", A, LARDER_REMOTE=remote), b"x")
        self.larder("put", B, "-", given=b"y", LARDER_REMOTE=remote)
        self.larder("get", C, code=NOT_FOUND, LARDER_REMOTE=remote)

    def test_doctor_says_how_a_server_is(self) -> None:
        remote = self.redis()
        self.assertIn(f"{remote} answers in",
                      self.larder("doctor", LARDER_REMOTE=remote).decode())
        told = self.larder("doctor", LARDER_REMOTE=remote + " read-only").decode()
        self.assertIn("is only read", told)

    def test_doctor_tells_clock_and_largest_value(self) -> None:
        told = self.larder("doctor", LARDER_REMOTE=self.redis()).decode()
        self.assertIn("its clock is right", told)
        self.assertIn("takes 64.0 KiB (more is not tried", told)
        told = self.larder("doctor", LARDER_REMOTE=self.nginx()).decode()
        self.assertIn("takes 64.0 MiB\n", told)
        told = self.larder("doctor", LARDER_REMOTE=self.nginx("client_max_body_size 5m;")).decode()
        self.assertIn("its clock is right", told)
        self.assertRegex(told, "(?m)^warn +remote .*takes 4.0 MiB but not max-entry-size, 64.0 MiB")
        small = self.nginx("client_max_body_size 100k;")
        told = self.larder("doctor", LARDER_REMOTE=small).decode()
        self.assertRegex(told, "(?m)^warn +remote .*takes less than 1.0 MiB: raise its limit")
        self.assertEqual(self.larder("pull", LARDER_REMOTE=self.nginx()).count(b" 0 of 0 "), 1)

    def test_doctor_refuses_what_the_others_refuse(self) -> None:
        for remote in ("redis://127.0.0.1 shards=127.0.0.1,localhost",
                       "redis://* shards=127.0.0.1,127.0.0.1"):
            told = self.refused(USAGE, "get", A, LARDER_REMOTE=remote)
            what = told.split("redis://", 1)[1].strip()
            result = self.run_words(self.command("doctor"), LARDER_REMOTE=remote)
            self.expect(result, REFUSED)
            self.assertIn(what, result.stdout.decode())

    def test_pull_leaves_out_what_cannot_be_listed(self) -> None:
        listed, port = self.redis(), free_port()
        plain = f"http://127.0.0.1:{port}/x"
        self.on_machine("a", "put", A, "-", given=b"a", remote=listed)
        there = f"{self.layout}:{self.path('b')}"
        result = self.run_words(self.command("pull", store=there),
                                LARDER_REMOTE=f"{plain} read-only {listed}")
        said = self.expect_line(result, OK, f"left out: {plain}: plain HTTP has no listing")
        self.assertTrue(said.startswith("larder: warning: "), said)
        self.assertEqual(result.stdout.decode().splitlines(),
                         [f"{listed}: 1 of 1 entry (1 B), 0 there already"])
        told = self.told(self.on_machine("b", "--format", "json", "pull",
                                         remote=f"{listed} {plain} read-only"))
        self.assertEqual([tier["left_out"] for tier in told], [False, True])
        self.refused(USAGE, "pull", says="larder prewarm", LARDER_REMOTE=f"{plain} read-only")
        silent = f"redis://127.0.0.1:{port}"
        result = self.run_words(self.command("pull"), LARDER_REMOTE=f"{plain} {silent}")
        self.expect(result, UNREACHABLE)

    def test_prewarm_fetches_what_a_list_names(self) -> None:
        first, second = self.redis(), self.redis()
        self.on_machine("a", "put", A, "-", given=b"a", remote=first)
        self.on_machine("a", "put", B, "-", given=b"b", remote=second)
        both = f"{first} {second}"
        names = self.write("list", f"# of a\n{A}\n\n  {B}\r\n".encode())
        said = self.told(self.on_machine("b", "--format", "json", "prewarm", names, remote=both))
        self.assertEqual([(t["entries"], t["moved"], t["absent"]) for t in said],
                         [(2, 1, 1), (1, 1, 0)])
        for fingerprint, payload in ((A, b"a"), (B, b"b")):
            self.assertEqual(self.larder("get", fingerprint,
                                         store=f"{self.layout}:{self.path('b')}"), payload)
        text = self.on_machine("b", "prewarm", "-", given=A.encode(), remote=both)
        self.assertIn(b"0 of 1 entry ", text)
        self.assertIn(b"1 there already", text)
        there = f"{self.layout}:{self.path('b')}"
        result = self.run_words(self.command("prewarm", "-", store=there), given=C.encode(),
                                LARDER_REMOTE=both)
        self.expect_line(result, NOT_FOUND, "1 entry of the list")
        self.refused(USAGE, "prewarm", self.write("bad", b"abc\n"), says="bad:1",
                     LARDER_REMOTE=both)
        self.refused(UNREACHABLE, "prewarm", names, says="redis",
                     LARDER_REMOTE=f"redis://127.0.0.1:{free_port()}")

    def test_a_tier_that_is_read_only_gets_nothing(self) -> None:
        remote = self.redis()
        self.larder("put", A, "-", given=b"x", LARDER_REMOTE=remote + " read-only")
        self.refused(USAGE, "push", says="read-only", LARDER_REMOTE=remote + " read-only")
        self.on_machine("b", "get", A, code=NOT_FOUND, remote=remote)
        self.larder("push", LARDER_REMOTE=remote)
        self.assertEqual(self.on_machine("b", "get", A, remote=remote), b"x")
        self.refused(REFUSED, "push", says="readonly", LARDER_REMOTE=remote, LARDER_READONLY="1")

    def test_processes_tell_each_other_that_a_server_hangs(self) -> None:
        remote = self.redis() + " request-timeout=300ms write=sync"
        self.larder("put", A, "-", given=b"x", LARDER_REMOTE=remote)
        self.server.send_signal(signal.SIGSTOP)
        for _ in range(4):
            self.larder("get", C, code=NOT_FOUND, LARDER_REMOTE=remote)
        tier = json.loads(self.larder("--format", "json", "stats", LARDER_REMOTE=remote))
        told = tier["remotes"][0]
        self.assertEqual((told["lookups"], told["timeouts"], told["skipped"]), (4, 1, 3))
        self.assertEqual(told["uploads"], 1)

    def test_stats_show_each_tier(self) -> None:
        remote = self.redis()
        self.larder("put", A, "-", given=b"x", LARDER_REMOTE=remote)
        self.on_machine("b", "get", A, remote=remote)
        there = f"{self.layout}:{self.path('b')}"
        text = self.larder("stats", store=there, LARDER_REMOTE=remote).decode()
        self.assertRegex(text, rf"Remote +{remote}\n")
        self.assertRegex(text, r"    Hits +1 / 1")
        text = self.larder("--format", "prometheus", "stats", store=there,
                           LARDER_REMOTE=remote).decode()
        self.assertIn(f'larder_remote_hits_total{{tier="{remote}"}} 1\n', text)
        self.larder("zero-stats", store=there, LARDER_REMOTE=remote)
        told = json.loads(self.larder("--format", "json", "stats", store=there,
                                      LARDER_REMOTE=remote))
        self.assertEqual(told["remotes"][0]["lookups"], 0)

    def test_no_sample_is_there_twice(self) -> None:
        remote = self.redis()
        two = f"{remote} {remote} {remote} namespace=x"
        self.larder("put", A, "-", given=b"x", LARDER_REMOTE=remote)
        self.larder("put", A, "-", given=b"x", LARDER_REMOTE=f"{remote} namespace=x")
        text = self.larder("--format", "prometheus", "stats", LARDER_REMOTE=two).decode()
        names = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
        self.assertEqual(len(names), len(set(names)), text)
        for labels in (f'tier="{remote}"', f'tier="{remote}",namespace="x"'):
            self.assertIn(f"larder_remote_uploads_total{{{labels}}} 1\n", text)

    def tier_counters(self, store: str, remote: str) -> dict:
        there = f"{self.layout}:{self.path(store)}"
        told = self.larder("--format", "json", "stats", store=there, LARDER_REMOTE=remote)
        return json.loads(told)["remotes"][0]

    def test_stats_count_what_push_pull_and_prewarm_move(self) -> None:
        remote = self.redis()
        for fingerprint in (A, B):
            self.larder("put", fingerprint, "-", given=b"x" * 1000,
                        store=f"{self.layout}:{self.path('a')}")
        self.on_machine("a", "push", remote=remote)
        self.on_machine("a", "push", remote=remote)
        sent = self.tier_counters("a", remote)
        self.assertEqual((sent["uploads"], sent["uploads_unchanged"]), (2, 2))
        self.assertGreater(sent["bytes_out"], 2000)
        self.on_machine("b", "pull", remote=remote)
        names = self.write("list", f"{A}\n{C}\n".encode())
        self.on_machine("c", "prewarm", names, code=NOT_FOUND, remote=remote)
        for machine, figures in (("b", (2, 2, 0)), ("c", (2, 1, 1))):
            told = self.tier_counters(machine, remote)
            self.assertEqual((told["lookups"], told["hits"], told["absent"]), figures)
            self.assertGreater(told["bytes_in"], 1000)

    def test_push_asks_though_another_process_found_the_server_silent(self) -> None:
        remote = f"redis://127.0.0.1:{free_port()}"
        self.larder("put", A, "-", given=b"x", LARDER_REMOTE=remote)  # makes the store
        self.larder("get", B, code=NOT_FOUND, LARDER_REMOTE=remote)
        self.larder("get", B, code=NOT_FOUND, LARDER_REMOTE=remote)
        self.assertGreater(self.tier_counters("store", remote)["skipped"], 0)
        for verb in ("push", "pull"):
            result = self.run_words(self.command(verb), LARDER_REMOTE=remote)
            self.expect(result, UNREACHABLE)
            self.assertNotIn(b"a moment ago", result.stderr)

    def test_a_required_tier_that_does_not_answer_is_named(self) -> None:
        down = f"redis://127.0.0.1:{free_port()}"
        hung = self.redis()
        self.server.send_signal(signal.SIGSTOP)
        file, out = self.write("artifact", b"x"), self.path("out")
        once = ("once", A, "-o", out, "--", "cp", file, out)
        for number, url in enumerate((down, hung)):
            remote = f"{url} required write=sync request-timeout=300ms"
            for words, must_hit in ((("get", A), "0"), (("exists", A), "0"), (("get", A), "1"),
                                    (once, "1"), (("put", A, file), "0")):
                there = f"{self.layout}:{self.path(f'{words[0]}-{must_hit}-{number}')}"
                for _ in range(2):  # the second time it may be known
                    self.refused(UNREACHABLE, *words, says=url, store=there,
                                 LARDER_REMOTE=remote, LARDER_MUST_HIT=must_hit)
            self.larder(*once, LARDER_REMOTE=remote, store=f"{self.layout}:{self.path('once')}")
            self.assertEqual(self.read(out), b"x")

    def test_a_required_tier_that_refuses_is_asked_once_and_says_why(self) -> None:
        remote = self.redis("--requirepass", SECRET) + " required breaker=1000/1h"
        for words in (("get", A), ("exists", A)):
            there = f"{self.layout}:{self.path(words[0])}"
            self.refused(UNREACHABLE, *words, says="@password-file", store=there,
                         LARDER_REMOTE=remote)
        self.larder("put", A, "-", given=b"x", LARDER_REMOTE=remote)  # makes the store
        self.refused(UNREACHABLE, "get", B, says="@password-file", LARDER_REMOTE=remote)
        told = self.tier_counters("store", remote)
        self.assertEqual((told["lookups"], told["errors"]), (1, 1))

    def test_rm_is_of_this_store_alone(self) -> None:
        remote = self.redis()
        self.larder("put", A, "-", given=b"x", LARDER_REMOTE=remote)
        self.larder("rm", A, LARDER_REMOTE=remote)
        self.larder("get", A, code=NOT_FOUND)
        self.assertEqual(self.larder("get", A, LARDER_REMOTE=remote), b"x")

    def test_a_bad_setting_is_named(self) -> None:
        for remote in ("localhost", "redis://localhost speed=high", "redis://a:b@localhost",
                       "redis://localhost @colour=red", "ftp://localhost"):
            self.refused(USAGE, "get", A, says="" if "ftp" in remote else "LARDER_REMOTE",
                         LARDER_REMOTE=remote)
        self.refused(USAGE, "get", A, says="plaintext", LARDER_REMOTE="redis://192.0.2.1")
        self.refused(USAGE, "push", says="LARDER_REMOTE")

    def test_what_is_here_is_served_though_a_tier_cannot_be_opened(self) -> None:
        self.larder("put", A, "-", given=b"x")
        for remote in ("ftp://localhost", f"redis://localhost @password-file={self.path('none')}"):
            for words in (("get", A), ("exists", A)):
                result = self.run_words(self.command(*words), LARDER_REMOTE=remote)
                self.expect_line(result, OK, "warning: going on without a remote tier: ")
            self.refused(USAGE, "get", B, LARDER_REMOTE=remote)
            self.refused(USAGE, "config", LARDER_REMOTE=remote)
        self.larder("config", LARDER_REMOTE=f"redis://127.0.0.1:{free_port()}")

    def test_what_is_to_be_done_is_told(self) -> None:
        port = self.redis().rsplit(":", 1)[1]
        none = f"http://127.0.0.1:{port}"
        for remote, code, says in (
                (f"redis-cluster://127.0.0.1:{port} required", UNREACHABLE, "use redis:// where"),
                ("redis+unix://run/redis.sock", USAGE, "with three slashes"),
                (f"{none} @ca-file=", USAGE, "whole path"),
                (f"{none} @bearer-token-file=~/token", USAGE, "`~` is not expanded")):
            self.refused(code, "get", A, says=says, LARDER_REMOTE=remote,
                         store=f"{self.layout}:{self.path(says[:5])}")
        self.refused(USAGE, "get", A, says="`~` is not expanded", LARDER_KEY_FILE="~/key")

    def test_what_may_not_list_is_told_what_to_do(self) -> None:
        users = self.write("users", b"user default on nopass ~* -@all +get +strlen +set +ping\n")
        remote = self.redis("--aclfile", users)
        self.refused(REFUSED, "pull", says="+scan", LARDER_REMOTE=remote)

    def test_a_store_without_room_for_recipes_says_so(self) -> None:
        remote = self.redis()
        recipe = ("--domain", "tests 2026-11", "--field", "a=b")
        name = self.run_words([PROGRAM, "fingerprint", *recipe]).stdout.decode().strip()
        self.on_machine("a", "put", name, "-", *recipe, given=b"x", remote=remote)
        result = self.run_words(self.command("pull", store=f"vyre:{self.path('b')}"),
                                LARDER_REMOTE=remote)
        self.expect_line(result, OK, "1 entry kept without the recipe")

    def test_what_lacks_a_secret_is_told_what_to_do(self) -> None:
        none = self.path("none")
        for remote, says in (
                (f"redis://localhost @password-file={none}", "none: is not there; write"),
                ("s3://bucket", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
                (f"s3://b @credentials-file={none}", "none: is not there; write")):
            self.refused(USAGE, "get", A, says=says, LARDER_REMOTE=remote)
        keys = self.write("keys", b"[default]\n")
        os.chmod(keys, 0o600)
        self.refused(USAGE, "get", A, says="of the profile [default]; add aws_access_key_id",
                     LARDER_REMOTE=f"s3://b @credentials-file={keys}")

    def test_a_store_cannot_say_whom_to_speak_to(self) -> None:
        self.larder("put", A, "-", given=b"x")
        os.chmod(self.write("store/larder.conf", b"remote = redis://localhost\n"), 0o600)
        self.refused(USAGE, "get", A, says="larder.conf:1")

    def test_no_output_has_a_secret_in_it(self) -> None:
        remote = self.redis("--requirepass", SECRET)
        file = self.write("secret", SECRET.encode())
        os.chmod(file, 0o600)
        wrong = self.write("wrong", b"x" + SECRET.encode())
        os.chmod(wrong, 0o600)
        artifact = self.write("artifact", b"x")
        log = self.path("log")
        said = b""
        netrc = self.write("netrc", f"machine 127.0.0.1 login x password {SECRET}".encode())
        os.chmod(netrc, 0o600)
        http = self.nginx()
        settings = [f"{remote} @password-file={name}" for name in (file, wrong, self.path("none"))]
        token = remote.replace("://", f"://{SECRET}@")  # where the user stands
        settings += [f"{token} {token} @password-file={file}", f"redis://127.0.0.1:1/{SECRET}",
                     f"{http.replace('://', f'://{SECRET}@')} @netrc-file={netrc}"]
        for setting in (*settings, f"{http} @netrc-file={netrc}"):
            for words in (("put", A, artifact), ("get", A), ("get", B), ("config",), ("doctor",),
                          ("stats",), ("push",), ("pull",), ("--format", "json", "stats")):
                result = self.run_words(self.command(*words), LARDER_LOG=log,
                                        LARDER_REMOTE=setting)
                said += result.stdout + result.stderr
        said += self.read(log)
        self.assertIn(remote.encode(), said)
        self.assertIn(http.encode(), said)
        self.assertFalse(SECRET.encode() in said)
        os.chmod(file, 0o640)
        self.refused(REFUSED, "get", B, says="chmod",
                     LARDER_REMOTE=f"{remote} @password-file={file}")


if __name__ == "__main__":
    unittest.main()
