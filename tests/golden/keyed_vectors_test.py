"""Writes what is made with keys from docs/FORMAT.md, not with Larder, and compares.

With tests/golden/keyed.json, which tests/unit/keyed_golden_test.cc holds the code against, and with
the examples of the document itself.
"""

import json
import os
import struct
import unittest

import pack_vectors_test as pack

HERE = os.path.dirname(os.path.abspath(__file__))
SECRET = bytes(range(32))
STORE = bytes.fromhex("00112233445566778899aabbccddeeff")
FINGERPRINT = bytes.fromhex("2e0a5e30e63c25666aed4810244dadf61e59ed3c4102a1d75ea720d83ec45a50")


def key_id(secret: bytes) -> int:
    return int.from_bytes(pack.derived("larder 2026-11-26 key id v1", secret)[:8], "little") or 1


def entry_key(secret: bytes, store: bytes) -> bytes:
    return pack.derived("larder 2026-11-26 entry key v1", secret + store)


def record_key(secret: bytes, store: bytes) -> bytes:
    return pack.derived("larder 2026-11-26 record key v1", secret + store)


def entry(secret: bytes, store: bytes, fingerprint: bytes, payload: bytes, recipe: bytes) -> bytes:
    header = struct.pack("<8sHBBIQQQQ32s32s16x", b"LARDart\n", 1, 0, 0, len(recipe),
                         key_id(secret), len(payload), len(payload), 0, fingerprint,
                         pack.b3sum(recipe))
    return header + payload + pack.keyed(entry_key(secret, store), header + payload) + recipe


def authenticator(secret: bytes, store: bytes, front: bytes) -> bytes:
    normal = front[:8] + bytes(8) + front[16:44] + bytes(4) + front[48:128]
    return pack.keyed(record_key(secret, store), normal)[:24]


def record(case: dict) -> bytes:
    store, secret = bytes.fromhex(case["store"]), bytes.fromhex(case["secret"])
    segment = pack.segment_key(store, case["number"], bytes.fromhex(case["random"]))
    fields = dict(case["record"], key_id=key_id(secret))
    header = pack.record_header(fields, case["place"], segment)
    header = header[:168] + authenticator(secret, store, header)
    return pack.padded(header + bytes.fromhex(fields["stored"]) + bytes.fromhex(fields["recipe"]))


def slot_tag(store: bytes, fingerprint: bytes, key: int) -> int:
    secret = b"".join(pack.derived("larder 2026-11-22 slot tag v1", store + bytes([part]))
                      for part in range(3))
    words = [*struct.unpack("<4Q", fingerprint), key]
    total = sum(int.from_bytes(secret[16 * i:16 * i + 16], "little") * word
                for i, word in enumerate(words))
    tag = (total >> 64) & pack.WORD
    return ((tag ^ tag >> 32) * 0x9e3779b97f4a7c15) & pack.WORD or 1


def large_file_key(fingerprint: bytes, digest: bytes, key: int) -> bytes:
    return pack.derived("larder 2026-11-22 large file v1",
                        fingerprint + digest + struct.pack("<Q", key))


def documented_recipe() -> bytes:
    return pack.document_example("larder")[168:]


def documented_record() -> dict:
    return {"store": STORE.hex(), "secret": SECRET.hex(), "number": 42,
            "random": "ffeeddccbbaa99887766554433221100", "place": 2,
            "record": {"kind": "artifact", "codec": "none", "supersedes": False,
                       "written_s": 1795305600, "sequence": 7, "raw_bytes": 8,
                       "stored": b"artifact".hex(), "recipe": "", "fingerprint": FINGERPRINT.hex()}}


class KeyedVectors(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        with open(os.path.join(HERE, "keyed.json"), encoding="utf-8") as file:
            cls.golden = json.load(file)

    def cases(self, name: str) -> list[dict]:
        self.assertGreaterEqual(len(self.golden[name]), 3, name)
        return self.golden[name]

    def test_keys(self) -> None:
        for case in self.cases("keys"):
            secret, store = bytes.fromhex(case["secret"]), bytes.fromhex(case["store"])
            self.assertEqual(f"{key_id(secret):016x}", case["id"])
            self.assertEqual(entry_key(secret, store).hex(), case["entry_key"])
            self.assertEqual(record_key(secret, store).hex(), case["record_key"])

    def test_entries(self) -> None:
        for case in self.cases("entries"):
            fields = (bytes.fromhex(case[name])
                      for name in ("secret", "store", "fingerprint", "payload", "recipe"))
            self.assertEqual(entry(*fields).hex(), case["bytes"])

    def test_records(self) -> None:
        for case in self.cases("records"):
            self.assertEqual(record(case).hex(), case["bytes"])

    def test_slot_tags(self) -> None:
        for case in self.cases("slot_tags"):
            tag = slot_tag(bytes.fromhex(case["store"]), bytes.fromhex(case["fingerprint"]),
                           int(case["key_id"], 16))
            self.assertEqual(f"{tag:016x}", case["tag"])

    def test_large_file_keys(self) -> None:
        for case in self.cases("large_file_keys"):
            key = large_file_key(bytes.fromhex(case["fingerprint"]),
                                 bytes.fromhex(case["payload_digest"]), int(case["key_id"], 16))
            self.assertEqual(key.hex(), case["key"])

    def test_the_document(self) -> None:
        documented = entry(SECRET, STORE, FINGERPRINT, b"artifact", documented_recipe())
        self.assertEqual(pack.document_example("keyed larder"), documented)
        self.assertEqual(pack.document_example("keyed record"), record(documented_record()))
        with open(os.path.join(HERE, "../../docs/FORMAT.md"), encoding="utf-8") as file:
            self.assertIn(f"`{key_id(SECRET):016x}`", file.read())


if __name__ == "__main__":
    unittest.main()
