"""Every C and C++ file is as clang-format leaves it."""

import os
import shutil
import subprocess
import sys

import tidy


def main() -> int:
    formatter = shutil.which("clang-format-19")
    if formatter is None:
        print("clang-format-19 is not installed; on Debian: apt-get install clang-format-19")
        return 1
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    files = [path for path, _ in tidy.code_files(tidy.read_tree(root))]
    if not files:
        print("found no file to look at")
        return 1
    result = subprocess.run([formatter, "--dry-run", "-Werror", *files], cwd=root, check=False)
    print(f"{len(files)} files; to mend them: clang-format-19 -i FILE...")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
