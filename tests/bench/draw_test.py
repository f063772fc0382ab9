"""The pictures and tables of docs/BENCHMARKS.md are made from any rows, whole or few."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
from xml.etree import ElementTree

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench")
sys.path.insert(0, BENCH)
import draw  # noqa: E402
import tables  # noqa: E402


def row(suite: str, op: str, store: str, size: int = 1024, entries: int = 1000,
        median_ns: float = 1000.0) -> dict[str, object]:
    return {"suite": suite, "op": op, "size": size, "entries": entries, "store": store,
            "verified": "nothing" if store == "raw" else "payload", "median_ns": median_ns,
            "p10_ns": median_ns / 2, "p90_ns": median_ns * 2, "ratio_to_baseline": 4000 / median_ns}


SWEEP = [row("sweep", op, store, size, median_ns=ns)
         for op in ("get", "put", "view") for size in (1024, 4096)
         for store, ns in (("baseline", 4000.0), ("pack", 1000.0), ("raw", 2000.0))]


class Pictures(unittest.TestCase):
    def drawn(self, rows: list[dict[str, object]]) -> dict[str, str]:
        with tempfile.TemporaryDirectory() as folder:
            pictures = {}
            for path in draw.draw_all(rows, folder):
                with open(path, encoding="utf-8") as file:
                    pictures[os.path.basename(path)] = file.read()
            return pictures

    def test_every_picture_is_well_formed_and_names_its_stores(self) -> None:
        pictures = self.drawn(SWEEP)
        self.assertEqual(set(pictures), {"get.svg", "put.svg", "view.svg", "repeat.svg"})
        for text in pictures.values():
            ElementTree.fromstring(text)
        self.assertIn(">raw<", pictures["get.svg"])
        self.assertIn("stroke-dasharray", pictures["get.svg"])

    def test_faster_is_higher(self) -> None:
        lines = draw.lines_of(draw.PICTURES[0], SWEEP)
        canvas = draw.Canvas(draw.Axis(1024, 4096), draw.Axis(1, 4))
        heights = {line.store: canvas.place(*line.points[0])[1] for line in lines}
        self.assertLess(heights["pack"], heights["raw"])
        self.assertLess(heights["raw"], heights["baseline"])

    def test_no_row_no_picture(self) -> None:
        self.assertEqual(self.drawn([]), {})

    def test_labels_never_cover_each_other(self) -> None:
        placed = sorted(draw.spread_labels([100.0, 101.0, 99.0, 400.0, 401.0]))
        for above, below in zip(placed, placed[1:]):
            self.assertGreaterEqual(below - above, 15)


class Tables(unittest.TestCase):
    def printed(self, rows: list[dict[str, object]]) -> str:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write("\n".join(json.dumps(one) for one in rows))
            file.flush()
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                self.assertEqual(tables.main(["tables.py", file.name]), 0)
            return out.getvalue()

    def test_a_target_is_reached_or_not(self) -> None:
        text = self.printed(SWEEP)
        self.assertIn("| get, pack, 1 KiB, against the baseline | >= 2.5x | 4x | yes |", text)
        self.assertIn("| put, pack, 1 KiB, against the baseline | >= 5.5x | 4x | **no** |", text)

    def test_every_operation_has_its_table(self) -> None:
        text = self.printed(SWEEP)
        for op in ("get", "put", "view"):
            self.assertIn(f"**sweep: {op}**", text)
        self.assertIn("| 4 KiB | 1 000 | 4 us (1.00x) | 1 us (4.00x) | 2 us (2.00x) |", text)


if __name__ == "__main__":
    unittest.main()
