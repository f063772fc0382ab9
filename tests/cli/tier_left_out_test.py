"""Tiers that cannot be opened, or cannot tell: what they cost, and what is said of them."""

import os
import unittest

from program import A, B, C, NOT_FOUND, OK, REFUSED, USAGE, every_layout
from servers import UNREACHABLE, RemoteTest, ask_redis, free_port


@every_layout
class LeftOutTest(RemoteTest):
    def unopenable(self) -> str:
        return f"redis://127.0.0.1:{free_port()} @password-file={self.path('none')}"

    def test_one_that_cannot_be_opened_costs_no_other_one(self) -> None:
        good = self.redis()
        both = f"{self.unopenable()} {good}"
        result = self.run_words(self.command("put", A, "-"), b"x", LARDER_REMOTE=both)
        self.expect_line(result, OK, "warning: going on without a remote tier: ")
        self.assertEqual(self.larder("get", A), b"x", "kept here")
        elsewhere = f"{self.layout}:{self.path('elsewhere')}"
        result = self.run_words(self.command("get", A, store=elsewhere), LARDER_REMOTE=both)
        self.expect_line(result, OK, "warning: going on without a remote tier: ")
        self.assertEqual(result.stdout, b"x", "from the other tier")
        self.refused(USAGE, "get", B, says="write the secret into it", LARDER_REMOTE=both)

    def test_without_any_the_store_works(self) -> None:
        result = self.run_words(self.command("put", A, "-"), b"x", LARDER_REMOTE=self.unopenable())
        self.expect_line(result, OK, "warning: going on without a remote tier: ")
        self.assertEqual(self.larder("get", A), b"x")

    def test_a_required_one_is_waited_for(self) -> None:
        remote = self.unopenable() + " required"
        self.larder("put", A, "-", given=b"x")
        for words in (("get", A), ("put", B, "-")):
            self.refused(USAGE, *words, says="write the secret into it", LARDER_REMOTE=remote)
        self.larder("get", B, code=NOT_FOUND)

    def test_once_goes_on_without_a_required_one_and_asks_the_others(self) -> None:
        good = self.redis()
        self.larder("put", A, "-", given=b"x", store=f"{self.layout}:{self.path('elsewhere')}",
                    LARDER_REMOTE=good)
        result = self.run_words(self.command("once", A, "-o", "out", "--", "false"),
                                LARDER_REMOTE=f"{self.unopenable()} required {good}")
        self.expect_line(result, OK, "warning: going on without a remote tier: ")
        self.assertEqual(self.read(self.path("out")), b"x")

    def test_transfers_move_what_the_others_have_and_fail(self) -> None:
        good = self.redis()
        both = f"{self.unopenable()} {good}"
        self.larder("put", A, "-", given=b"x")
        result = self.run_words(self.command("push"), LARDER_REMOTE=both)
        self.expect_line(result, USAGE, "write the secret into it")
        self.assertIn(b"1 of 1 entry", result.stdout)
        elsewhere = f"{self.layout}:{self.path('elsewhere')}"
        result = self.run_words(self.command("pull", store=elsewhere), LARDER_REMOTE=both)
        self.expect_line(result, USAGE, "write the secret into it")
        self.assertEqual(self.larder("get", A, store=elsewhere), b"x")
        self.larder("push", LARDER_REMOTE=f"{self.unopenable()} read-only {good}")

    def test_a_miss_names_who_could_not_tell(self) -> None:
        port = free_port()
        silent = f"redis://127.0.0.1:{port}"
        for words in (("get", A), ("exists", A)):
            said = self.refused(NOT_FOUND, *words, LARDER_REMOTE=silent,
                                says=f"{silent} could not tell; `larder doctor` says why")
            self.assertNotIn("put it first", said)
        self.larder("put", B, "-", given=b"x", LARDER_REMOTE=silent)  # makes the store
        self.larder("get", A, code=NOT_FOUND, LARDER_REMOTE=silent)
        # Where a process finds that, no file is put into a store of the reference layout.
        known = "could not tell" if self.layout == "vyre" else "was left out: it failed"
        self.refused(NOT_FOUND, "get", A, says=f"{silent} {known}", LARDER_REMOTE=silent)
        self.refused(NOT_FOUND, "get", C, says="put it first", LARDER_REMOTE=self.redis())

    def test_prewarm_names_what_none_has(self) -> None:
        self.refused(NOT_FOUND, "prewarm", "-", given=(C + "\n").encode(), says=C,
                     LARDER_REMOTE=self.redis())


class DoctorTest(RemoteTest):
    def test_a_full_server_is_told_from_a_small_limit(self) -> None:
        remote = self.redis("--maxmemory", "2mb", "--maxmemory-policy", "noeviction")
        for number in range(1, 13):
            self.larder("put", f"{number:064x}", "-", given=os.urandom(200_000),
                        LARDER_REMOTE=remote)
        result = self.run_words(self.command("doctor"), LARDER_REMOTE=remote)
        self.assertRegex(result.stdout.decode(), r"(?m)^fail +remote .* is full, and evicts noth")
        self.expect(result, REFUSED)

    def test_a_limit_below_64_kib_is_told(self) -> None:
        remote = self.nginx("client_max_body_size 20k; create_full_put_path on;")
        remote = remote.replace("webdav:", "http:")
        result = self.run_words(self.command("doctor"), LARDER_REMOTE=remote)
        self.assertRegex(result.stdout.decode(), r"(?m)^warn +remote .*takes less than 64.0 KiB: ")

    def test_nothing_is_evicted_for_it(self) -> None:
        remote = self.redis("--maxmemory", "30mb", "--maxmemory-policy", "allkeys-lru")
        port = int(remote.rsplit(":", 1)[1])
        for number in range(1, 21):
            self.larder("put", f"{number:064x}", "-", given=os.urandom(1_000_000),
                        LARDER_REMOTE=remote + " write=sync")
        before = ask_redis(port, "DBSIZE")
        self.assertEqual(before, ":20")
        result = self.run_words(self.command("doctor"), LARDER_REMOTE=remote)
        self.assertEqual(ask_redis(port, "DBSIZE"), before)
        self.assertIn("takes 64.0 KiB (more is not tried", result.stdout.decode())

    def test_a_server_that_is_down(self) -> None:
        remote = f"redis://127.0.0.1:{free_port()}"
        result = self.run_words(self.command("doctor"), LARDER_REMOTE=remote)
        self.expect(result, UNREACHABLE)

    def test_a_database_that_there_is_not(self) -> None:
        remote = self.redis() + "/99"
        result = self.run_words(self.command("doctor"), LARDER_REMOTE=remote)
        self.assertIn("no such database", result.stdout.decode())

    def test_certificates_that_are_none(self) -> None:
        for text in (b"", b"certificates\n", b"-----BEGIN CERTIFICATE REQUEST-----\n"):
            file = self.write("ca.pem", text)
            self.refused(USAGE, "config", says=f"{file}: has no certificate in it",
                         LARDER_REMOTE=f"webdavs://localhost:1 @ca-file={file}")
        self.write("ca.pem", b"of ours:\n" * 20_000 + b"-----BEGIN CERTIFICATE-----\n")
        self.larder("config", LARDER_REMOTE=f"webdavs://localhost:1 @ca-file={file}")

    def test_certificates_that_are_missing(self) -> None:
        self.refused(USAGE, "config", says="/nope.pem: cannot be read",
                     LARDER_REMOTE="webdavs://localhost:1 @ca-file=/nope.pem")


if __name__ == "__main__":
    unittest.main()
