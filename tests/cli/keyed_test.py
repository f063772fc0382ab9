"""Authenticated entries: --key-file, LARDER_KEY_FILE, `larder key`."""

import json
import os
import stat
import unittest

from program import A, B, C, NOT_FOUND, OK, PROGRAM, REFUSED, USAGE, ProgramTest, in_layouts


@in_layouts("pack")
class KeyedTest(ProgramTest):
    def setUp(self) -> None:
        super().setUp()
        self.ours, self.theirs = self.new_key("ours"), self.new_key("theirs")

    def new_key(self, name: str) -> str:
        path = self.path(name)
        result = self.run_words([PROGRAM, "key", "new", path])
        self.expect(result, OK)
        self.assertRegex(result.stdout.decode(), r"\A[0-9a-f]{16}\n\Z")
        return path

    def keyed(self, key: str, *words: str, **options) -> bytes:
        return self.larder("--key-file", key, *words, **options)

    def put_all(self) -> None:
        for fingerprint, key in ((A, self.ours), (B, self.theirs)):
            self.keyed(key, "put", fingerprint, "-", given=fingerprint.encode())
        self.larder("put", C, "-", given=C.encode())

    def test_a_key_file_is_for_its_owner_alone_and_never_overwritten(self) -> None:
        status = os.stat(self.ours)
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)
        before = self.read(self.ours)
        self.assertRegex(before, rb"\A[0-9a-f]{64}\n\Z")
        result = self.run_words([PROGRAM, "key", "new", self.ours])
        self.expect_line(result, REFUSED, "is there already")
        self.assertEqual(self.read(self.ours), before)
        ids = self.run_words([PROGRAM, "key", "id", self.ours])
        self.assertRegex(ids.stdout.decode(), r"\A[0-9a-f]{16}\n\Z")
        self.expect_line(self.run_words([PROGRAM, "key", "burn", self.ours]), USAGE, "burn")

    def test_entries_of_another_key_are_not_found_and_stay(self) -> None:
        self.put_all()
        for fingerprint, key in ((A, self.ours), (B, self.theirs)):
            self.assertEqual(self.keyed(key, "get", fingerprint), fingerprint.encode())
        self.assertEqual(self.larder("get", C), C.encode())
        for words, fingerprint in ((["--key-file", self.ours], B), (["--key-file", self.ours], C),
                                   ([], A)):
            for verb in ("get", "exists", "inspect", "rm"):
                self.larder(*words, verb, fingerprint, code=NOT_FOUND)
        self.assertEqual(self.larder("get", A, LARDER_KEY_FILE=self.ours), A.encode())
        self.refused(NOT_FOUND, "inspect", A, says="was made with a key that is not given")
        self.refused(NOT_FOUND, "inspect", "d" * 64, says="no entry")

    def test_verify_and_list_and_doctor_tell_whose_they_are(self) -> None:
        self.put_all()
        text = self.keyed(self.ours, "verify", "--repair").decode()
        self.assertTrue(text.startswith("1 good"), text)
        self.assertIn("0 damaged, 0 foreign, 0 unreadable, 2 of another key", text)
        verdict = json.loads(self.larder("verify", "--format", "json"))
        self.assertEqual((verdict["good"], verdict["other_key"]), (1, 2))
        listed = json.loads(self.keyed(self.ours, "list", "--format", "json"))
        self.assertEqual([entry["other_key"] for entry in listed], [False, True, True])
        self.assertEqual(self.larder("list").decode().count("of another key"), 2)
        self.assertRegex(self.larder("doctor").decode(), r"(?m)^warn +key .*2 entries of another")
        self.larder("rm", C)
        self.keyed(self.theirs, "rm", B)
        self.assertIn("1 entry of another key is a miss", self.larder("doctor").decode())
        key_id = self.run_words([PROGRAM, "key", "id", self.ours]).stdout.decode().strip()
        self.assertIn(key_id, self.keyed(self.ours, "inspect", A).decode())
        self.assertIn(key_id, self.keyed(self.ours, "doctor").decode())

    def test_merge_copies_what_it_can_verify(self) -> None:
        self.put_all()
        to = f"file:{self.path('to')}"
        result = self.run_words([PROGRAM, "--key-file", self.ours, "merge", self.location(), to])
        self.expect_line(result, OK, "2 of another key")
        self.assertEqual(self.keyed(self.ours, "get", A, store=to), A.encode())
        self.larder("get", A, store=to, code=NOT_FOUND)

    def test_a_key_is_rotated(self) -> None:
        self.put_all()
        rotated = self.new_key("rotated")
        with open(rotated, "ab") as file:
            file.write(self.read(self.ours))
        self.assertEqual(self.keyed(rotated, "get", A), A.encode())
        self.keyed(rotated, "put", A, "-", given=A.encode())
        self.assertEqual(self.keyed(rotated, "get", A), A.encode())
        self.keyed(self.ours, "get", A, code=NOT_FOUND)

    def test_a_bad_key_file_is_named_and_its_content_is_not_told(self) -> None:
        secret = self.read(self.ours).decode().strip()
        os.chmod(self.ours, 0o640)
        message = self.refused(USAGE, "--key-file", self.ours, "get", A, says="chmod 600")
        self.assertNotIn(secret[:8], message)
        self.refused(USAGE, "get", A, says="no such key file", LARDER_KEY_FILE=self.path("no"))
        bad = self.write("bad", secret[1:].encode())
        os.chmod(bad, 0o600)
        message = self.refused(USAGE, "--key-file", bad, "list", says="64 lower-case hex digits")
        self.assertNotIn(secret[1:9], message)
        self.refused(USAGE, "--key-file", "", "list", says="--key-file")

    def test_once_goes_on_without_the_cache_where_the_key_file_is_bad(self) -> None:
        os.chmod(self.ours, 0o644)
        result = self.run_words(self.command("--key-file", self.ours, "once", A, "-o", "out", "--",
                                             "sh", "-c", "echo made > out"))
        self.expect(result, OK)
        self.assertIn(b"going on without the cache", result.stderr)
        self.assertEqual(self.read(self.path("out")), b"made\n")

    def test_the_settings_name_the_file_and_nothing_tells_the_secret(self) -> None:
        self.put_all()
        secret = self.read(self.ours).strip()
        for verb in ("config", "stats", "doctor", "list", "verify"):
            shown = self.keyed(self.ours, verb, LARDER_LOG="stderr")
            self.assertNotIn(secret[:16], shown)
        self.assertIn(f"key_file = {self.ours} (argument --key-file)".encode(),
                      self.keyed(self.ours, "config"))
        for content in self.tree(self.store).values():
            self.assertNotIn(secret, content or b"")
            self.assertNotIn(bytes.fromhex(secret.decode()), content or b"")

    def test_a_stores_own_settings_do_not_touch_the_key(self) -> None:
        self.put_all()
        for line in (f"key_file = {self.theirs}\n", "key_file =\n"):
            os.chmod(self.write("store/larder.conf", line.encode()), 0o600)
            self.refused(USAGE, "--key-file", self.ours, "get", A, says="larder.conf:1")


class KeyedVyreTest(ProgramTest):
    layout = "vyre"

    def test_vyre_has_no_room_for_a_key(self) -> None:
        self.expect(self.run_words([PROGRAM, "key", "new", self.path("key")]), OK)
        self.refused(USAGE, "--key-file", self.path("key"), "list", says="vyre")


if __name__ == "__main__":
    unittest.main()
