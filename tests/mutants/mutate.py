#!/usr/bin/env python3
"""mutate.py NAME FOLDER: writes the source file with that defect below FOLDER, and prints its path.

For the build with -DLARDER_MUTANT=NAME; see mutants.py.
"""

import os
import sys

from mutants import MUTANTS

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def mutated(mutant):
    """The text of the file with the defect. ValueError unless the defence is there exactly once."""
    with open(os.path.join(ROOT, mutant.file), encoding="utf-8") as file:
        source = file.read()
    if source.count(mutant.text) != 1:
        raise ValueError(f"{mutant.name}: {mutant.file} has this {source.count(mutant.text)} times,"
                         f" it should once; correct mutants.py:\n{mutant.text}")
    return source.replace(mutant.text, mutant.instead)


def main():
    _, name, folder = sys.argv
    mutant = next((each for each in MUTANTS if each.name == name), None)
    if mutant is None:
        sys.exit(f"{name}: no such mutant; mutants.py has them all")
    path = os.path.join(folder, mutant.file)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(mutated(mutant))
    print(mutant.file)


if __name__ == "__main__":
    main()
