#!/usr/bin/env python3
"""Writes the tables of docs/BENCHMARKS.md from what `larder-bench --format json` printed.

    bench/tables.py ROWS.json

prints Markdown: each target with what was measured, then all medians.
"""

import json
import sys
from typing import Iterator, NamedTuple

from draw import count_text, size_text

KIB = 1024
SIZES = (1 * KIB, 4 * KIB, 16 * KIB, 64 * KIB)

Row = dict[str, object]


class Target(NamedTuple):
    what: str
    wanted: str
    found: float
    met: bool
    unit: str = "x"

    def line(self) -> str:
        mark = "yes" if self.met else "**no**"
        return f"| {self.what} | {self.wanted} | {self.found:.3g}{self.unit} | {mark} |"


class Rows:
    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def all(self, **wanted: object) -> list[Row]:
        return [row for row in self.rows if all(row[key] == value for key, value in wanted.items())]

    def median(self, **wanted: object) -> float | None:
        found = self.all(**wanted)
        return float(found[0]["median_ns"]) if found else None

    def ratio(self, **wanted: object) -> float | None:
        found = self.all(**wanted)
        return float(found[0]["ratio_to_baseline"]) if found else None


def at_least(what: str, wanted: float, found: float | None) -> Iterator[Target]:
    if found is not None:
        yield Target(what, f">= {wanted:g}x", found, found >= wanted)


def at_most(what: str, wanted: float, found: float | None, unit: str) -> Iterator[Target]:
    if found is not None:
        yield Target(what, f"<= {wanted:g}{unit}", found, found <= wanted, unit)


def against_peer(rows: Rows, what: str, wanted: float, ours: dict[str, object],
                 peer: dict[str, object]) -> Iterator[Target]:
    mine, theirs = rows.median(**ours), rows.median(**peer)
    if mine and theirs:
        yield from at_least(what, wanted, theirs / mine)


def of_sizes(rows: Rows, op: str, store: str, ratios: tuple[float, ...]) -> Iterator[Target]:
    for size, wanted in zip(SIZES, ratios):
        found = rows.ratio(suite="sweep", op=op, store=store, size=size)
        name = f"{op}, {store}, {size_text(size)}"
        yield from at_least(f"{name}, against the baseline", wanted, found)


def of_peers(rows: Rows, op: str, peer: str, ratios: tuple[float, ...]) -> Iterator[Target]:
    for size, wanted in zip(SIZES, ratios):
        place = {"suite": "sweep", "op": op, "size": size}
        yield from against_peer(rows, f"{op}, pack, {size_text(size)}, against {peer}", wanted,
                                {**place, "store": "pack"}, {**place, "store": peer})


def lookup_targets(rows: Rows) -> Iterator[Target]:
    yield from of_sizes(rows, "get", "pack", (2.5, 2, 1.3, 1))
    yield from of_peers(rows, "get", "lmdb", (1, 1, 1, 1))
    yield from of_sizes(rows, "view", "pack", (3.2, 2.8, 1.8, 1.4))
    yield from of_peers(rows, "view", "lmdb", (1.2, 1.2, 1))
    yield from of_sizes(rows, "get_many16", "pack", (15, 6, 3))
    for size in SIZES[:3]:
        place = {"suite": "sweep", "op": "get_repeat", "size": size}
        name = f"repeat hit in memory, {size_text(size)}"
        yield from at_least(f"{name}, against the baseline", 60,
                            rows.ratio(**place, store="memory"))
        yield from against_peer(rows, f"{name}, against RocksDB's block cache", 1,
                                {**place, "store": "memory"}, {**place, "store": "rocksdb"})
    yield from of_sizes(rows, "miss", "pack", (40, 40, 40, 40))
    yield from of_peers(rows, "miss", "lmdb", (1, 1, 1, 1))


def write_targets(rows: Rows) -> Iterator[Target]:
    yield from of_sizes(rows, "put", "pack", (5.5, 4, 2, 1.3))
    yield from of_peers(rows, "put", "lmdb", (1, 1, 1, 1))
    flush = {"suite": "flush", "op": "flush256"}
    yield from at_least("flush256, pack, against the baseline", 40,
                        rows.ratio(**flush, store="pack"))
    for peer in ("lmdb", "rocksdb"):
        yield from against_peer(rows, f"flush256, pack, against {peer}", 1,
                                {**flush, "store": "pack"}, {**flush, "store": peer})
    for workers, alone in (("2threads", "put"), ("2processes", "put_1process")):
        place = {"suite": "scale", "store": "pack"}
        one = rows.median(**place, op=alone)
        two = rows.median(**place, op=f"put_{workers}")
        if one and two:
            yield from at_least(f"two writers ({workers[1:]}) against one, pack", 1.7, one / two)


def growth_targets(rows: Rows) -> Iterator[Target]:
    hits = {}
    for row in rows.all(suite="growth", store="pack", op="get"):
        hits[row["entries"]] = float(row["median_ns"])
    for row in rows.all(suite="growth", store="pack", op="open"):
        yield from at_most(f"open, pack, {count_text(float(row['entries']))} entries", 100,
                           float(row["median_ns"]) / 1e3, " us")
    if len(hits) > 1:
        first, last = min(hits), max(hits)
        yield from at_most(f"hit of 1 KiB, {count_text(last)} against {count_text(first)} entries",
                           2.5, hits[last] / hits[first], "x")
    slowest = [row for row in rows.all(suite="sweep", store="pack")]
    if slowest:
        row = min(slowest, key=lambda row: float(row["ratio_to_baseline"]))
        yield from at_least(f"never slower than the baseline: {row['op']}, pack, "
                            f"{size_text(float(row['size']))}", 1, float(row["ratio_to_baseline"]))


def time_text(ns: float) -> str:
    for unit, name in ((1e6, "ms"), (1e3, "us")):
        if ns >= unit:
            return f"{ns / unit:.3g} {name}"
    return f"{ns:.3g} ns"


def table(rows: Rows, suite: str, op: str) -> Iterator[str]:
    """One line for each size and number of entries, one column for each store."""
    chosen = rows.all(suite=suite, op=op)
    stores = list(dict.fromkeys(str(row["store"]) for row in chosen))
    places = list(dict.fromkeys((row["size"], row["entries"]) for row in chosen))
    yield f"\n**{suite}: {op}**\n"
    yield "| payload | entries | " + " | ".join(stores) + " |"
    yield "|---|---|" + "---|" * len(stores)
    for size, entries in places:
        cells = []
        for store in stores:
            found = rows.all(suite=suite, op=op, store=store, size=size, entries=entries)
            cells.append(f"{time_text(float(found[0]['median_ns']))} "
                         f"({float(found[0]['ratio_to_baseline']):.2f}x)" if found else "")
        yield (f"| {size_text(float(size))} | {count_text(float(entries))} | "
               + " | ".join(cells) + " |")


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    with open(arguments[1], encoding="utf-8") as file:
        rows = Rows([json.loads(line) for line in file])
    print("| what | wanted | measured | reached |\n|---|---|---|---|")
    for targets in (lookup_targets, write_targets, growth_targets):
        for target in targets(rows):
            print(target.line())
    for suite, op in dict.fromkeys((str(row["suite"]), str(row["op"])) for row in rows.rows):
        print("\n".join(table(rows, suite, op)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
