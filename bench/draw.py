#!/usr/bin/env python3
"""Draws the pictures of docs/BENCHMARKS.md from what `larder-bench --format json` printed.

    bench/draw.py ROWS.json FOLDER

writes one SVG file for each picture that the rows suffice for.
"""

import json
import math
import os
import sys
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 820, 460
LEFT, RIGHT, TOP, BOTTOM = 76, 190, 56, 56  # margins of the plot

COLOURS = {"baseline": "#555555", "pack": "#d55e00", "file": "#e69f00", "memory": "#cc79a7",
           "lmdb": "#0072b2", "sqlite": "#009e73", "rocksdb": "#56b4e9", "leveldb": "#6a3d9a",
           "raw": "#999999"}

Row = dict[str, object]


class Line(NamedTuple):
    label: str
    store: str
    points: list[tuple[float, float]]
    verified: bool


class Picture(NamedTuple):
    name: str
    title: str
    suite: str
    ops: tuple[str, ...]
    x: str  # the key of a row, or "count": the number in its operation's name
    y: str
    x_title: str
    y_title: str
    left_out: tuple[str, ...] = ()


PICTURES = (
    Picture("get", "Owned bytes: how much faster than a file per entry", "sweep", ("get",), "size",
            "ratio_to_baseline", "payload", "baseline's time / this store's", ("memory",)),
    Picture("view", "Zero copy, and many at once", "sweep", ("view", "get_many16"), "size",
            "ratio_to_baseline", "payload", "baseline's time / this store's", ("memory",)),
    Picture("put", "Puts without a flush", "sweep", ("put",), "size", "ratio_to_baseline",
            "payload", "baseline's time / this store's", ("memory",)),
    Picture("repeat", "A hit that memory serves", "sweep", ("get_repeat", "get"), "size",
            "median_ns", "payload", "time",
            ("file", "lmdb", "sqlite", "leveldb", "raw")),
    Picture("growth", "A hit of 1 KiB in a fresh process, warm", "growth", ("get",), "entries",
            "median_ns", "entries", "time"),
    Picture("growth_miss", "A miss in a fresh process", "growth", ("miss",), "entries",
            "median_ns", "entries", "time"),
    Picture("open", "Opening a store again, and first in a process", "growth",
            ("open", "open_first"), "entries",
            "median_ns", "entries", "time"),
    Picture("flush", "Making new entries of 4 KiB durable", "flush", ("flush",), "count",
            "median_ns", "entries in one flush", "time"),
)


def size_text(value: float) -> str:
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= unit:
            return f"{value / unit:g} {name}"
    return f"{value:g} B"


def time_text(value: float) -> str:
    for unit, name in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if value >= unit:
            return f"{value / unit:g} {name}"
    return f"{value:g} ns"


def count_text(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 1 else f"{value:g}"


FORMATS = {"size": size_text, "median_ns": time_text}


def is_wanted(picture: Picture, row: Row) -> bool:
    op = str(row["op"])
    if picture.x == "count":
        named = op.startswith(picture.ops) and op[len(picture.ops[0]):].isdigit()
    else:
        named = op in picture.ops
    return row["suite"] == picture.suite and named and row["store"] not in picture.left_out


def lines_of(picture: Picture, rows: list[Row]) -> list[Line]:
    lines: dict[tuple[str, str], Line] = {}
    for row in rows:
        if not is_wanted(picture, row):
            continue
        op, store = str(row["op"]), str(row["store"])
        group = picture.ops[0] if picture.x == "count" else op
        x = int(op[len(group):]) if picture.x == "count" else row[picture.x]
        verified = not str(row["verified"]).startswith("nothing")
        label = store if len(picture.ops) == 1 else f"{store} {group}"
        line = lines.setdefault((store, group), Line(label, store, [], verified))
        line.points.append((float(x), float(row[picture.y])))
    return [line._replace(points=sorted(line.points)) for line in lines.values()]


class Axis(NamedTuple):
    """Logarithmic, from `low` to `high`."""
    low: float
    high: float

    def part(self, value: float) -> float:
        return math.log(value / self.low) / math.log(self.high / self.low)


def axis_of(values: list[float]) -> Axis:
    low, high = min(values), max(values)
    if low == high:
        low, high = low / 2, high * 2
    return Axis(low, high)


def ticks(axis: Axis) -> list[float]:
    """1, 2, 5, 10 and so on; without the 2 and 5 where there would be too many."""
    first, last = math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high))
    steps = (1,) if axis.high / axis.low > 5000 else (1, 2, 5)
    values = [step * 10.0 ** power for power in range(first, last + 1) for step in steps]
    return [value for value in values if axis.low * 0.999 <= value <= axis.high * 1.001]


class Canvas:
    def __init__(self, x: Axis, y: Axis) -> None:
        self.x, self.y = x, y
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>']

    def place(self, x: float, y: float) -> tuple[float, float]:
        return (LEFT + self.x.part(x) * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - self.y.part(y) * (HEIGHT - TOP - BOTTOM))

    def text(self, x: float, y: float, text: str, more: str = "") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="#222222" {more}>{escape(text)}'
                          "</text>")

    def rule(self, x1: float, y1: float, x2: float, y2: float, colour: str) -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}"/>')

    def line(self, line: Line, label_y: float) -> None:
        colour = COLOURS.get(line.store, "#000000")
        places = [self.place(x, y) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dash = "" if line.verified else ' stroke-dasharray="6 4"'
        width = 3 if line.store == "pack" else 1.6
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                          f'stroke-width="{width}"{dash}/>')
        for x, y in places:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>')
        end_x, end_y = places[-1]
        self.rule(end_x + 4, end_y, WIDTH - RIGHT + 18, label_y - 4, "#dddddd")
        self.text(WIDTH - RIGHT + 22, label_y, line.label, f'style="fill:{colour}"')


def spread_labels(wanted: list[float]) -> list[float]:
    """The same heights, in the same order, moved apart until each label can be read."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [0.0] * len(wanted)
    lowest = TOP
    for i in order:
        placed[i] = max(wanted[i], lowest)
        lowest = placed[i] + 15
    excess = max(0.0, lowest - (HEIGHT - BOTTOM + 15))
    return [height - excess for height in placed]


def draw(picture: Picture, lines: list[Line]) -> str:
    x_axis = axis_of([x for line in lines for x, _ in line.points])
    y_axis = axis_of([y for line in lines for _, y in line.points])
    canvas = Canvas(x_axis, y_axis)
    canvas.text(LEFT, 24, picture.title, 'font-size="16" font-weight="bold"')
    canvas.text(LEFT, 42, f"{picture.y_title}; dashed: nothing is verified")
    for value in ticks(y_axis):
        _, y = canvas.place(x_axis.low, value)
        canvas.rule(LEFT, y, WIDTH - RIGHT, y, "#333333" if value == 1 else "#eeeeee")
        text = FORMATS.get(picture.y, lambda v: f"{v:g}x")(value)
        canvas.text(LEFT - 8, y + 4, text, 'text-anchor="end"')
    for value in sorted({x for line in lines for x, _ in line.points}):
        x, _ = canvas.place(value, y_axis.low)
        canvas.rule(x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 5, "#333333")
        text = FORMATS.get(picture.x, count_text)(value)
        canvas.text(x, HEIGHT - BOTTOM + 20, text, 'text-anchor="middle"')
    middle = (LEFT + WIDTH - RIGHT) / 2
    canvas.text(middle, HEIGHT - 14, picture.x_title, 'text-anchor="middle"')
    heights = spread_labels([canvas.place(*line.points[-1])[1] + 4 for line in lines])
    for line, height in zip(lines, heights):
        canvas.line(line, height)
    return "\n".join([*canvas.parts, "</svg>", ""])


def draw_all(rows: list[Row], folder: str) -> list[str]:
    drawn = []
    for picture in PICTURES:
        lines = lines_of(picture, rows)
        if not lines:
            continue
        path = os.path.join(folder, f"{picture.name}.svg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(draw(picture, lines))
        drawn.append(path)
    return drawn


def main(arguments: list[str]) -> int:
    if len(arguments) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    with open(arguments[1], encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    os.makedirs(arguments[2], exist_ok=True)
    for path in draw_all(rows, arguments[2]):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
