"""The tables of docs/FORMAT.md leave no byte out: a field begins where the one before it ends."""

import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEAD = re.compile(r"^\| offset \| size \|")
TABLES = 11
# Of what has no fixed length: numbers that no sum of others is.
LENGTHS = {"S": 10**3, "R": 10**5, "N": 10**7, "D": 10**9}


def number(cell: str) -> int:
    """Such as 40, S, or 24 + 8 N."""
    total = 0
    for term in cell.split("+"):
        product = 1
        for factor in term.split():
            product *= LENGTHS[factor] if factor in LENGTHS else int(factor)
        total += product
    return total


def tables(lines: list[str]) -> list[tuple[int, list[tuple[int, int]]]]:
    """Each with the line it begins at: offset and size of its rows."""
    found = []
    for at, line in enumerate(lines):
        if not HEAD.match(line):
            continue
        rows = []
        for row in lines[at + 2:]:
            if not row.startswith("|"):
                break
            offset, size = (cell.strip() for cell in row.split("|")[1:3])
            rows.append((number(offset), number(size)))
        found.append((at + 1, rows))
    return found


class FormatTables(unittest.TestCase):
    def test_leave_no_byte_out(self):
        with open(os.path.join(ROOT, "docs", "FORMAT.md"), encoding="utf-8") as file:
            found = tables(file.read().splitlines())
        self.assertEqual(len(found), TABLES, "a table is gone, or new: count it here")
        for line, rows in found:
            end = 0
            for offset, size in rows:
                self.assertEqual(offset, end, f"docs/FORMAT.md, the table at line {line}")
                end += size


if __name__ == "__main__":
    unittest.main()
