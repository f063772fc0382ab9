"""Writes the bytes of a pack store from docs/FORMAT.md, not with Larder, and compares.

With tests/golden/pack.json, which tests/unit/pack_golden_test.cc holds the code against, and with
the example of the document itself.
"""

import json
import os
import re
import struct
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
UNIT = 64
KINDS = {"artifact": 1, "removed": 2, "large": 3}
CODECS = {"none": 0, "zstd": 1}
WORD = (1 << 64) - 1


def b3sum(content: bytes, *options: str, key: bytes | None = None) -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return subprocess.run(["b3sum", "--raw", *options, file.name], input=key,
                              capture_output=True, check=True).stdout


def keyed(key: bytes, content: bytes) -> bytes:
    return b3sum(content, "--keyed", key=key)


def derived(context: str, content: bytes) -> bytes:
    return b3sum(content, "--derive-key", context)


def check_of(words: bytes) -> bytes:
    check = 0xcbf29ce484222325
    for (word,) in struct.iter_unpack("<Q", words):
        check = ((check ^ word) * 0x100000001b3) & WORD
    return struct.pack("<Q", check)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % UNIT)


def segment_key(store: bytes, number: int, random: bytes) -> bytes:
    return derived("larder 2026-11-22 segment key v1", store + struct.pack("<I", number) + random)


def slot_tag(store: bytes, fingerprint: bytes) -> int:
    secret = b"".join(derived("larder 2026-11-22 slot tag v1", store + bytes([half]))
                      for half in (0, 1))
    total = sum(int.from_bytes(secret[16 * i:16 * i + 16], "little")
                * int.from_bytes(fingerprint[8 * i:8 * i + 8], "little") for i in range(4))
    tag = (total >> 64) & WORD
    return ((tag ^ tag >> 32) * 0x9e3779b97f4a7c15) & WORD or 1


def large_file_key(fingerprint: bytes, digest: bytes) -> bytes:
    return derived("larder 2026-11-22 large file v1", fingerprint + digest)


def segment_header(segment: dict) -> bytes:
    header = struct.pack("<8sHHI16s16sQ", b"LARDseg\n", 1, 0, segment["number"],
                         bytes.fromhex(segment["store"]), bytes.fromhex(segment["random"]),
                         segment["created_at_sequence"])
    return header + check_of(header)


def digests(record: dict, stored: bytes, recipe: bytes) -> bytes:
    if record["kind"] == "artifact":
        return b3sum(stored) + b3sum(recipe)[:16]
    if record["kind"] == "large":
        return bytes.fromhex(record["payload_digest"]) + bytes(16)
    return bytes(48)


def record_header(record: dict, place: int, key: bytes) -> bytes:
    stored, recipe = bytes.fromhex(record["stored"]), bytes.fromhex(record["recipe"])
    header = struct.pack("<4sHBBIIQQIIII32s", b"LRec", 1, KINDS[record["kind"]],
                         CODECS[record["codec"]], int(record["supersedes"]), record["written_s"],
                         record["key_id"], record["sequence"], record["raw_bytes"], len(stored),
                         len(recipe), place, bytes.fromhex(record["fingerprint"]))
    header += digests(record, stored, recipe)
    return header + keyed(key, header) + check_of(header[:48]) + bytes(24)


def whole_segment(segment: dict) -> bytes:
    store, random = bytes.fromhex(segment["store"]), bytes.fromhex(segment["random"])
    key = segment_key(store, segment["number"], random)
    content = 2 * segment_header(segment)
    summary, sequences = b"", []
    for record in segment["records"]:
        place, stored = len(content) // UNIT, bytes.fromhex(record["stored"])
        header = record_header(record, place, key)
        content += padded(header + stored + bytes.fromhex(record["recipe"]))
        marks = (record["kind"] == "removed") << 20 | record["supersedes"] << 21
        summary += struct.pack("<QIIQ", slot_tag(store, bytes.fromhex(record["fingerprint"])),
                               place | marks, len(padded(header + stored)) // UNIT,
                               record["sequence"])
        sequences.append(record["sequence"])
    footer = struct.pack("<8sIIQQ", b"LARDsum\n", len(sequences), len(content) // UNIT,
                         min(sequences, default=WORD), max(sequences, default=0))
    footer += keyed(key, padded(summary) + footer)
    content += padded(summary)
    trailer = struct.pack("<8sI20x", b"LARDdur\n", len(content) // UNIT)
    return content + footer + trailer + keyed(key, trailer + footer[32:])


def index_header(index: dict) -> bytes:
    header = struct.pack("<8sII16sQ", b"LARDidx\n", 1, index["log2_slots"],
                         bytes.fromhex(index["store"]), index["generation"])
    return header + check_of(header)


def state_header(store: str) -> bytes:
    header = struct.pack("<8sII16s", b"LARDsta\n", 1, 0, bytes.fromhex(store))
    return header + check_of(header)


def document_example(name: str) -> bytes:
    with open(os.path.join(HERE, "../../docs/FORMAT.md"), encoding="utf-8") as file:
        text = file.read().split(f"<!-- example: {name} -->", 1)[1]
    dump = text.split("```\n", 2)[1]
    return bytes.fromhex("".join(re.findall(r"^[0-9a-f]{4}  (.*)$", dump, re.MULTILINE)))


class PackVectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        with open(os.path.join(HERE, "pack.json"), encoding="utf-8") as file:
            cls.golden = json.load(file)

    def test_segments(self) -> None:
        self.assertGreaterEqual(len(self.golden["segments"]), 3)
        for segment in self.golden["segments"]:
            self.assertEqual(whole_segment(segment).hex(), segment["bytes"], segment["name"])

    def test_the_document(self) -> None:
        segment = next(s for s in self.golden["segments"] if s["name"] == "docs/FORMAT.md")
        self.assertEqual(document_example("segment").hex(), segment["bytes"])

    def test_slot_tags(self) -> None:
        for case in self.golden["slot_tags"]:
            tag = slot_tag(bytes.fromhex(case["store"]), bytes.fromhex(case["fingerprint"]))
            self.assertEqual(f"{tag:016x}", case["tag"])

    def test_large_file_keys(self) -> None:
        for case in self.golden["large_file_keys"]:
            key = large_file_key(bytes.fromhex(case["fingerprint"]),
                                 bytes.fromhex(case["payload_digest"]))
            self.assertEqual(key.hex(), case["key"])

    def test_index_and_state_headers(self) -> None:
        for case in self.golden["index_headers"]:
            self.assertEqual(index_header(case).hex(), case["bytes"])
        for case in self.golden["state_headers"]:
            self.assertEqual(state_header(case["store"]).hex(), case["bytes"])


if __name__ == "__main__":
    unittest.main()
