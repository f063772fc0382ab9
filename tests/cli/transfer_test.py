"""What push, pull and prewarm say of what became of each entry."""

import os
import subprocess
import unittest

from program import OK, REFUSED, every_layout
from servers import RemoteTest


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


if __name__ == "__main__":
    unittest.main()
