"""Every mutant finds its defence in the sources, exactly once, and takes something away."""

import dataclasses
import pathlib
import unittest

from mutants import MUTANTS
from mutate import mutated


class Applies(unittest.TestCase):
    def test_each_defence_is_there_once(self):
        for mutant in MUTANTS:
            with self.subTest(mutant.name):
                self.assertIn(mutant.instead, mutated(mutant))
                self.assertNotEqual(mutant.text, mutant.instead)
                # A copy of a header would be included by nobody.
                self.assertTrue(mutant.file.endswith(".cc"))

    def test_each_rig_is_there(self):
        tests = pathlib.Path(__file__).resolve().parents[1]
        for mutant in MUTANTS:
            for rig in mutant.rigs:
                with self.subTest(mutant.name):
                    found = [*tests.glob(rig + ".cc"), *tests.glob(rig + ".py")]
                    self.assertTrue(found, rig)

    def test_names_are_unique(self):
        names = [mutant.name for mutant in MUTANTS]
        self.assertEqual(len(names), len(set(names)))

    def test_a_text_that_is_gone_is_found(self):
        with self.assertRaises(ValueError):
            mutated(dataclasses.replace(MUTANTS[0], text="no such text"))


if __name__ == "__main__":
    unittest.main()
