"""What verify finds and repairs, what it leaves alone, and stores that may not be written."""

import json
import os
import shutil
import unittest

from program import (A, B, C, CORRUPT, NOBODY, NOT_FOUND, OK, PROGRAM, ProgramTest, REFUSED,
                     both_layouts, every_layout, is_root)


class DamageInPacks(ProgramTest):
    layout = "pack"

    def damage(self, place: int) -> str:
        segment = os.path.join(self.store, "segments", "00000000.seg")
        with open(segment, "r+b") as file:
            file.seek(place)
            file.write(b"?")
        return segment

    def test_verify_names_and_repairs_what_nobody_can_name(self) -> None:
        self.put(A, b"x")
        self.put(B, b"y")
        segment = self.damage(128)  # the first record begins behind two headers
        result = self.run_words(self.command("verify"))
        self.expect_line(result, CORRUPT, "1 damaged; `larder verify --repair`")
        self.assertIn(f"damaged {segment} at 128: ".encode(), result.stdout)
        self.assertIn(b"1 good", result.stdout)
        self.refused(REFUSED, "verify", "--repair", says="readonly", LARDER_READONLY="1")
        self.assertIn(f"damaged {segment} at 128 (repaired): ".encode(),
                      self.larder("verify", "--repair"))
        self.assertIn(b"1 good (1 B), 0 damaged, 0 foreign, 0 unreadable", self.larder("verify"))
        self.assertEqual(self.larder("list").split()[0], B.encode())

    def test_verify_brings_back_what_a_damaged_index_hides(self) -> None:
        self.put(A, b"x")
        self.put(B, b"y")
        index, = (name for name in os.listdir(self.store) if name.startswith("index."))
        with open(os.path.join(self.store, index), "r+b") as file:
            file.seek(4096)
            file.write(bytes(65536))
        self.refused(NOT_FOUND, "get", A)
        self.refused(CORRUPT, "verify", says="2 damaged")
        mended = self.larder("verify", "--repair")
        self.assertIn(f"{index} (2 entries) (repaired): lacks entries".encode(), mended)
        self.assertIn(b"2 good (2 B), 2 damaged", mended)
        self.assertEqual(self.larder("get", A), b"x")
        self.assertIn(b"2 good (2 B), 0 damaged", self.larder("verify"))

    def test_verify_counts_and_repairs_what_is_in_an_unreadable_segment(self) -> None:
        self.put(A, b"x")
        self.put(B, b"y")
        segment = self.damage(20)
        self.assertIn(b"2 good", self.larder("verify"))
        self.damage(64 + 20)
        report = json.loads(self.run_words(self.command("verify", "--format", "json")).stdout)
        self.assertEqual([(lost["location"], lost["entries"]) for lost in report["damaged"]],
                         [(segment, 2)])
        self.refused(CORRUPT, "verify", says="2 damaged")
        self.larder("verify", "--repair")
        self.assertFalse(os.path.exists(segment))
        self.larder("verify")
        self.put(A, b"again")
        self.assertEqual(self.larder("get", A), b"again")

    def test_doctor_warns_of_damage(self) -> None:
        self.put(A, b"x")
        self.put(B, b"y")
        self.assertRegex(self.larder("doctor").decode(), r"ok +entries +2 of 2 read, all whole")
        self.damage(128)
        text = self.larder("doctor").decode()
        self.assertRegex(text, r"warn +entries .*1 damaged .* verify --repair; .* at 128")

    def test_a_damaged_entry_is_named_once(self) -> None:
        self.put(A, b"x" * 100)
        self.flip_a_bit(A)
        result = self.run_words(self.command("verify"))
        self.expect_line(result, CORRUPT, "--repair")
        self.assertEqual(result.stdout.count(A.encode()), 1)
        self.assertEqual(self.refused(NOT_FOUND, "inspect", A).count(A), 1)

    def test_a_merge_tells_of_what_nobody_can_name_and_copies_the_rest(self) -> None:
        self.put(A, b"x")
        self.put(B, b"y")
        segment = self.damage(128)
        words = [PROGRAM, "--format", "json", "merge", self.location(), self.path("to")]
        result = self.run_words(words)
        self.expect_line(result, OK, "1 damaged in FROM")
        report = json.loads(result.stdout)
        self.assertEqual((report["copied"], [lost["location"] for lost in report["damaged"]]),
                         (1, [f"{segment} at 128"]))
        self.refused(CORRUPT, "verify", says="1 damaged")

    def test_a_link_in_place_of_a_segment(self) -> None:
        self.put(A, b"x")
        segment = os.path.join(self.store, "segments", "00000000.seg")
        os.rename(segment, self.path("elsewhere"))
        os.symlink(self.path("elsewhere"), segment)
        result = self.run_words(self.command("verify"))
        self.expect_line(result, CORRUPT, "1 damaged")
        self.assertIn(f"foreign {segment}: ".encode(), result.stdout)
        self.larder("verify", "--repair")
        self.assertIn(b"0 good (0 B), 0 damaged, 1 foreign, 0 unreadable", self.larder("verify"))
        self.assertTrue(os.path.islink(segment))


@both_layouts
class Foreign(ProgramTest):
    def test_verify_tells_of_what_is_no_file_and_leaves_it(self) -> None:
        for fingerprint in (A, B, C):
            self.put(fingerprint, b"x")
        for fingerprint in (A, B):
            os.unlink(self.entry_path(fingerprint))
        os.symlink(self.entry_path(C), self.entry_path(A))
        os.mkfifo(self.entry_path(B))
        text = self.larder("verify", "--repair").decode()
        self.assertIn("1 good (1 B), 0 damaged, 2 foreign, 0 unreadable", text)
        self.assertIn(f"foreign {self.entry_path(A)}: a link under the name of an entry;", text)
        self.assertIn(f"foreign {self.entry_path(B)}: a FIFO, socket or device under", text)
        self.assertTrue(os.path.islink(self.entry_path(A)))
        self.assertTrue(os.path.exists(self.entry_path(B)))


class Folders(ProgramTest):
    def test_what_cannot_be_listed_is_told(self) -> None:
        self.put(A, b"x")
        self.put(B, b"x")
        for base, folders, names in os.walk(self.store):
            for name in [base] + [os.path.join(base, name) for name in names]:
                if is_root():
                    os.chown(name, NOBODY, NOBODY)
        folder = os.path.dirname(self.entry_path(A))
        os.chmod(folder, 0)
        self.addCleanup(os.chmod, folder, 0o700)
        result = self.as_nobody("verify", store=self.location())
        self.expect_line(result, REFUSED, "1 could not be read")
        self.assertIn(f"unreadable {folder}".encode(), result.stdout)
        self.assertIn(b"1 good", result.stdout)
        report = json.loads(self.as_nobody("--format", "json", "verify",
                                           store=self.location()).stdout)
        self.assertEqual((report["good"], len(report["unreadable"])), (1, 1))
        self.assertEqual(report["unreadable"][0]["location"], folder)
        os.chmod(self.entry_path(B), 0)
        self.expect_line(self.as_nobody("rm", B, store=self.location()), NOT_FOUND,
                         "could not be read; it has been removed")
        for words in (("list",), ("stats",), ("prune", "--max-size", "1G"), ("clear",)):
            result = self.as_nobody(*words, store=self.location())
            self.expect(result, OK)
            self.assertRegex(result.stderr.decode(), f"\\Alarder: warning: {folder}[^\n]*\n\\Z")
        os.chmod(folder, 0o700)
        listed = self.as_nobody("list", store=self.location()).stdout.decode().splitlines()
        self.assertEqual([line.split()[0] for line in listed], [A])


@every_layout
class ReadOnlyStores(ProgramTest):
    """Whoever may only read a store can ask what a prune would do."""

    def set_modes(self, of_folders: int, of_files: int) -> None:
        for base, _, names in os.walk(self.store):
            for name in names:
                os.chmod(os.path.join(base, name), of_files)
            os.chmod(base, of_folders)

    def test_a_dry_run_needs_no_right_to_write(self) -> None:
        for fingerprint in (A, B, C):
            self.put(fingerprint, os.urandom(400_000))
        for base, folders, names in os.walk(self.store):
            for name in [base] + [os.path.join(base, name) for name in folders + names]:
                if is_root():
                    os.chown(name, NOBODY, NOBODY)
        self.set_modes(0o500, 0o400)
        self.addCleanup(self.set_modes, 0o700, 0o600)
        before = self.tree(self.store)
        words = ("--format", "json", "prune", "--max-size", "1M")
        result = self.as_nobody(*words, "--dry-run", store=self.location())
        self.expect(result, OK)
        self.assertEqual(result.stderr, b"")
        self.assertGreater(json.loads(result.stdout)["evicted_entries"], 0)
        self.assertEqual(self.as_nobody(*words, store=self.location()).returncode, REFUSED)
        self.assertEqual(self.tree(self.store), before)

    def test_a_dry_run_where_no_entry_ever_was(self) -> None:
        self.larder("prune", "--dry-run", LARDER_READONLY="1")
        self.put(A, b"x")
        for name in ("segments", "state"):
            path = os.path.join(self.store, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)
        for verb in (("prune", "--dry-run"), ("stats",), ("list",), ("verify",), ("doctor",)):
            self.larder(*verb, LARDER_READONLY="1")


if __name__ == "__main__":
    unittest.main()
