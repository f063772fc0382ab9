"""What a mutant is, and where the sources are."""


from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    defence: str  # that is gone
    file: str
    text: str
    instead: str
    rigs: tuple[str, ...]  # the tests that must kill it, the cheap ones first


def make(name, defence, file, text, instead, rigs):
    tests = (rig if rig.startswith("fuzz/") else rig + "_test" for rig in rigs.split())
    return Mutant(name, defence, file, text, instead, tuple(tests))


OS = "src/os/"
FORMAT = "src/format/"
FILE = "src/store/file/"
DIRECTORY = "src/store/directory/"
PACK = "src/store/pack/"
REMOTE = "src/store/remote/"
WIRE = "src/remote/"
