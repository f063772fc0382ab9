"""What the tests of the program share: running it, in a place of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from typing import Callable

PROGRAM = os.environ["LARDER_PROGRAM"]

# Whoever was started in the background ignores it, and so would all programs of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

OK, REFUSED, USAGE, CORRUPT, NOT_FOUND = range(5)

A = "a" * 64
B = "b" * 64
C = "c" * 64
NOBODY = 65534


def is_root() -> bool:
    return os.geteuid() == 0


class ProgramTest(unittest.TestCase):
    """Every test has a directory, a home and a store of its own; the store does not exist yet."""

    layout = "file"

    def setUp(self) -> None:
        self.root = tempfile.mkdtemp(prefix="larder-cli-")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.store = self.path("store")
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self.path("home"), "LANG": "C.UTF-8"}
        for name, value in os.environ.items():
            if name.endswith("SAN_OPTIONS"):
                self.environment[name] = value

    def path(self, name: str) -> str:
        return os.path.join(self.root, name)

    def location(self) -> str:
        return f"{self.layout}:{self.store}"

    def write(self, name: str, content: bytes) -> str:
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def command(self, *words: str, store: str | None = None) -> list[str]:
        return [PROGRAM, "--store", self.location() if store is None else store,
                *words]

    def start(self, *words: str, **options) -> subprocess.Popen:
        return subprocess.Popen(self.command(*words), env=self.environment, cwd=self.root,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run_words(self, words: list[str], given: bytes = b"",
                  **variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(words, input=given, capture_output=True, cwd=self.root, timeout=120,
                              env={**self.environment, **variables}, check=False)

    def larder(self, *words: str, code: int = OK, store: str | None = None, given: bytes = b"",
               **variables: str) -> bytes:
        """Runs a verb on the store, expects this exit code, and returns standard output."""
        result = self.run_words(self.command(*words, store=store), given, **variables)
        self.expect(result, code)
        return result.stdout

    def refused(self, code: int, *words: str, says: str = "", store: str | None = None,
                given: bytes = b"", **variables: str) -> str:
        """Expects this exit code and one line on standard error that has `says` in it."""
        result = self.run_words(self.command(*words, store=store), given, **variables)
        return self.expect_line(result, code, says)

    def expect(self, result: subprocess.CompletedProcess, code: int) -> None:
        self.assertEqual(result.returncode, code, result.stderr.decode(errors="replace"))

    def expect_line(self, result: subprocess.CompletedProcess, code: int, says: str) -> str:
        self.expect(result, code)
        message = result.stderr.decode()
        self.assertEqual(len(message.splitlines()), 1, message)
        self.assertTrue(message.startswith("larder: "), message)
        self.assertIn(says, message)
        return message

    def put(self, fingerprint: str, content: bytes) -> None:
        self.larder("put", fingerprint, "-", given=content)

    def entry_path(self, fingerprint: str) -> str:
        if self.layout == "vyre":
            return os.path.join(self.store, fingerprint + ".bin")
        return os.path.join(self.store, fingerprint[:2], fingerprint + ".art")

    def flip_a_bit(self, fingerprint: str) -> None:
        """In the payload; in what verifies it, when there is none."""
        if self.layout == "pack":
            path, offset = self.record(fingerprint)
        else:
            path = self.entry_path(fingerprint)
            offset = os.path.getsize(path) - 40
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))

    def location_of(self, fingerprint: str) -> str:
        """As `inspect` tells it."""
        if self.layout != "pack":
            return self.entry_path(fingerprint)
        path, end = self.record(fingerprint)
        return f"{path} at {end // 64 * 64 - 192}"

    def record(self, fingerprint: str) -> tuple[str, int]:
        """The segment of a pack's newest record of an entry, and where in it the payload ends."""
        segments = os.path.join(self.store, "segments")
        found = []
        for name in os.listdir(segments):
            path = os.path.join(segments, name)
            content = self.read(path)
            for at in range(0, len(content), 64):
                header = content[at:at + 192]
                if header[:4] != b"LRec" or header[48:80].hex() != fingerprint:
                    continue
                sequence, stored = (int.from_bytes(header[24:32], "little"),
                                    int.from_bytes(header[36:40], "little"))
                found.append((sequence, path, at + 191 + stored if stored else at + 128))
        return max(found)[1:]

    def tree(self, folder: str) -> dict[str, bytes | None]:
        """Every path below a folder, with the content of regular files."""
        found = {}
        for base, folders, names in os.walk(folder):
            for name in folders + names:
                path = os.path.join(base, name)
                regular = os.path.isfile(path) and not os.path.islink(path)
                found[os.path.relpath(path, folder)] = self.read(path) if regular else None
        return found

    def as_nobody(self, *words: str, store: str | None) -> subprocess.CompletedProcess:
        """Runs the program without privileges: root may read and write anything."""
        if store is not None:
            words = ("--store", store, *words)
        if not is_root():
            return self.run_words([PROGRAM, *words])
        os.chmod(self.root, 0o755)
        program = self.path("larder")
        if not os.path.exists(program):
            shutil.copy(PROGRAM, program)
            os.chmod(program, 0o755)
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return self.run_words([*drop, program, *words], HOME="/nonexistent")

    def make_directory(self, name: str, mode: int, owner: int | None = None) -> str:
        path = self.path(name)
        os.mkdir(path)
        if owner is not None and is_root():
            os.chown(path, owner, owner)
        os.chmod(path, mode)
        return path


def in_layouts(*layouts: str) -> Callable[[type[ProgramTest]], type[ProgramTest]]:
    """Adds copies of the tests that run in other layouts."""
    def add(test: type[ProgramTest]) -> type[ProgramTest]:
        for layout in layouts:
            name = test.__name__ + layout.capitalize()
            copy = type(name, (test,), {"layout": layout, "__module__": test.__module__})
            setattr(sys.modules[test.__module__], name, copy)
        return test
    return add


both_layouts = in_layouts("vyre")  # of a file for each entry
every_layout = in_layouts("vyre", "pack")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rsplit(b")", 1)[1].split()[0] != b"Z"


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def visible_skip(test: unittest.TestCase, reason: str) -> None:
    """Leaves a test out, with a line that ./run-tests shows."""
    print(f"\nSKIPPED {test.id()}: {reason}", flush=True)
    test.skipTest(reason)
