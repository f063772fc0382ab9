"""Proves what no compiler checks: floors, system calls, sizes, listed files, banned words.

Run as a test over the whole tree. Each rule is a function from the tree to findings; tidy_test.py
shows for each one that it bites. What has to differ stands in EXCEPTIONS with its reason; an
exception that nothing needs any more is a finding too.
"""

import ast
import os
import re
import sys
from typing import Callable, Iterator, NamedTuple

import scopes

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70
MAX_COLUMNS = 100

# (rule, path): reason
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("bool parameter", "include/larder/recipe.h"): "a field's value may be true or false",
    ("banned", "tests/tidy/tidy_test.py"): "shows that the banned words are found",
    ("machine path", "tests/tidy/tidy_test.py"): "shows that such paths are found",
}

FLOORS = {"base": 0, "os": 1, "format": 1, "remote": 2, "store": 3, "cache": 4, "face": 5}
# Siblings of the library's floors: they see what is installed, and themselves.
OUTSIDERS = ("cli", "adapters", "testing", "examples", "bench", "include")

CODE = (".h", ".cc", ".c")
BUILD_TREES = ("build", ".git", "__pycache__")


class Finding(NamedTuple):
    rule: str
    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


Tree = dict[str, str]  # path from the root of the repository, with slashes: text
Rule = Callable[[Tree], Iterator[Finding]]


def read_tree(root: str) -> Tree:
    tree = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in BUILD_TREES)
        for name in sorted(set(names) - set(BUILD_TREES)):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                continue
            with open(path, "rb") as file:
                content = file.read()
            if b"\0" not in content:
                text = content.decode("utf-8", errors="replace")
                tree[os.path.relpath(path, root).replace(os.sep, "/")] = text
    return tree


def code_files(tree: Tree, *folders: str) -> Iterator[tuple[str, str]]:
    for path, text in tree.items():
        if path.endswith(CODE) and (not folders or path.split("/")[0] in folders):
            yield path, text


def is_script(text: str) -> bool:
    return text.startswith("#!")


# Floors.

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)


def includes(text: str) -> Iterator[tuple[int, str, str]]:
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1], match[2]


def floors(tree: Tree) -> Iterator[Finding]:
    """An include of the library goes down; siblings never meet."""
    for path, text in code_files(tree, "src"):
        own = path.split("/")[1]
        if own not in FLOORS:
            yield Finding("floors", path, 1, f"src/{own} is not a floor; name it in tidy.py")
            continue
        for line, bracket, included in includes(text):
            floor = included.split("/")[0]
            if bracket == "<":
                continue
            if floor == "larder":
                if included.startswith("larder/testing/"):
                    yield Finding("floors", path, line, "the library does not know its test tools")
            elif floor not in FLOORS or "/" not in included:
                yield Finding("floors", path, line, f'"{included}" is not named from src/')
            elif floor != own and FLOORS[floor] >= FLOORS[own]:
                yield Finding("floors", path, line, f"{own} must not know {floor}")


def public_only(tree: Tree) -> Iterator[Finding]:
    """What stands outside of the library uses it as everybody does."""
    for path, text in code_files(tree, *OUTSIDERS):
        parts = path.split("/")
        home = "/".join(parts[:2]) if parts[0] == "adapters" else parts[0]
        for line, bracket, included in includes(text):
            if bracket == "<" or included.startswith("larder/"):
                continue
            beside = os.path.normpath(os.path.join(os.path.dirname(path), included))
            own = [p for p in (beside, included, f"{home}/{included}") if p in tree]
            if not any(p.startswith(home + "/") for p in own):
                yield Finding("public only", path, line, f'"{included}" is not a public header')


# System calls.

SYSTEM_HEADERS = re.compile(
    r"^(unistd\.h|fcntl\.h|dirent\.h|poll\.h|signal\.h|csignal|pthread\.h|sched\.h|dlfcn\.h"
    r"|pwd\.h|spawn\.h|cstdio|stdio\.h|iostream|fstream|filesystem|ctime|time\.h"
    r"|(sys|linux|asm|netinet|arpa|net)/.*)$")
# Names that mean nothing else.
SYSTEM_NAMES = re.compile(
    r"(?<![\w.>])(?:std::|::)?(openat2?|pread(?:64|v)?|pwrite(?:64|v)?|readv|writev|fdatasync|fsync"
    r"|syncfs|sync_file_range|mmap|munmap|madvise|getenv|secure_getenv|setenv|lstat|fstat(?:at|fs)?"
    r"|statx?|statvfs|fstatvfs|renameat2?|linkat|symlink(?:at)?|unlink(?:at)?|mkdir(?:at)?|rmdir"
    r"|opendir|readdir|fdopendir|getdents64|flock|fcntl|ioctl|ftruncate|fallocate|posix_fadvise"
    r"|futimens"
    r"|utimensat|realpath|getrandom|getpid|geteuid|getuid|fork|vfork|execv[pe]*|waitpid|kill"
    r"|socket|connect|syscall|fopen|fread|fwrite|fclose|freopen|tmpfile|mkstemp|mkdtemp)\s*\(")
# Names that are also good names for functions of our own: only with the global scope before them.
GLOBAL_NAMES = re.compile(
    r"(?<![\w>])::(open|read|write|close|link|remove|rename|stat|time|access|chmod|chown|dup2?|pipe"
    r"|poll|raise|abort|exit|system|sleep|usleep|sync|truncate|umask)\s*\(")
STD_NAMES = re.compile(r"std::(filesystem|[io]?fstream|ofstream|cout|cerr|clog|cin|system|time"
                       r"|quick_exit|exit|abort|terminate)\b")
CLOCK = re.compile(r"\bsystem_clock\b")


def system_calls(tree: Tree) -> Iterator[Finding]:
    """The library asks the system for something in src/os alone."""
    for path, text in code_files(tree, "src", "testing", "include"):
        if path.startswith("src/os/"):
            continue
        for line, bracket, included in includes(text):
            if bracket == "<" and SYSTEM_HEADERS.match(included):
                yield Finding("system calls", path, line, f"<{included}> belongs to src/os")
        for number, line_text in enumerate(scopes.blank(text).splitlines(), 1):
            for pattern in (SYSTEM_NAMES, GLOBAL_NAMES, STD_NAMES, CLOCK):
                if match := pattern.search(line_text):
                    yield Finding("system calls", path, number, f"{match[0]} belongs to src/os")


# Sizes.

def sizes(tree: Tree) -> Iterator[Finding]:
    for path, text in tree.items():
        name = path.split("/")[-1]
        code = path.endswith(CODE + (".py", ".sh", ".cmake")) or name == "CMakeLists.txt"
        if not code and not is_script(text):
            continue
        lines = text.splitlines()
        if len(lines) > MAX_FILE_LINES:
            yield Finding("file size", path, len(lines), f"over {MAX_FILE_LINES} lines; split it")
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_COLUMNS:
                yield Finding("columns", path, number, f"{len(line)} columns")


def function_sizes(tree: Tree) -> Iterator[Finding]:
    for path, text in tree.items():
        if path.endswith(CODE):
            found = [(f.line, f.lines) for f in scopes.functions(text)]
        elif path.endswith(".py"):
            found = [(node.lineno, node.end_lineno - node.lineno + 1)
                     for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        else:
            continue
        for line, lines in found:
            if lines > MAX_FUNCTION_LINES:
                yield Finding("function size", path, line, f"{lines} lines; split it")


# Files that nobody builds or runs.

def mentioned_files(tree: Tree) -> set[str]:
    """What the CMake files name, as paths from the root."""
    found = set()
    for path, text in tree.items():
        if not path.endswith(("CMakeLists.txt", ".cmake")):
            continue
        here = os.path.dirname(path)
        text = re.sub(r"#.*", "", text)
        text = re.sub(r"\$\{(PROJECT|CMAKE|larder)_SOURCE_DIR\}/", "/", text)
        text = text.replace("${CMAKE_CURRENT_SOURCE_DIR}/", "").replace(
            "${CMAKE_CURRENT_LIST_DIR}/", "")
        for word in re.findall(r"[^\s()\"';]+", text):
            absolute = word.startswith("/")
            found.add(os.path.normpath(word[1:] if absolute else os.path.join(here, word)))
    return found


def unlisted(tree: Tree) -> Iterator[Finding]:
    """A source that is not compiled, or a test that is not run, is worse than none."""
    listed = mentioned_files(tree)
    for path in tree:
        source = path.endswith((".cc", ".c"))
        test = path.startswith("tests/") and path.endswith(("_test.py", "_test.sh"))
        if (source or test) and path not in listed:
            yield Finding("unlisted", path, 1, "no CMakeLists.txt names it")


def dead_headers(tree: Tree) -> Iterator[Finding]:
    """A header that nobody includes; what is installed is for others."""
    named = {included.split("/")[-1]
             for _, text in code_files(tree) for _, _, included in includes(text)}
    for path, _ in code_files(tree):
        if path.endswith(".h") and "/larder/" not in path and path.split("/")[-1] not in named:
            yield Finding("dead header", path, 1, "nobody includes it")


# Words.

BANNED = {
    "TO" "DO": "do it, or leave it out",
    "FIX" "ME": "mend it",
    "XX" "X": "say what is meant",
    "HA" "CK": "say what is meant",
    "GTEST_" "SKIP": "a test that skips proves nothing",
    "DIS" "ABLED_": "a test that does not run proves nothing",
}
BANNED_WORDS = re.compile(r"(?<![A-Za-z])(" + "|".join(BANNED) + r")")
IF_ZERO = re.compile(r"^\s*#\s*if\s+" r"0\b")
LINT = re.compile(r"NO" r"LINT(?:NEXTLINE|BEGIN|END)?(\([^)]*\))?(: \S.*)?")


def banned(tree: Tree) -> Iterator[Finding]:
    for path, text in tree.items():
        for number, line in enumerate(text.splitlines(), 1):
            if match := BANNED_WORDS.search(line):
                yield Finding("banned", path, number, f"{match[0]}: {BANNED[match[1]]}")
            if not path.endswith(CODE):
                continue
            if IF_ZERO.search(line):
                yield Finding("banned", path, number, "dead code")
            lint = LINT.search(line)
            if lint and not lint[0].startswith("NO" "LINTEND") and not (lint[1] and lint[2]):
                yield Finding("banned", path, number, "a muted check: say which one and why")


PRINTS = re.compile(r"(?<![\w.>])(std::)?(printf|fprintf|puts|fputs|perror)\s*\(")


def prints(tree: Tree) -> Iterator[Finding]:
    """A library does not talk to the terminal."""
    for path, text in code_files(tree, "src", "adapters", "include", "testing"):
        for number, line in enumerate(scopes.blank(text).splitlines(), 1):
            if PRINTS.search(line):
                yield Finding("prints", path, number, "a library does not print")


MACHINE_PATHS = re.compile(
    r"/ro" r"ot/|/mn" r"t/\w|/(?:ho" r"me|Use" r"rs)/(?!(?:u|you|user)\b)\w+")


def machine_paths(tree: Tree) -> Iterator[Finding]:
    for path, text in tree.items():
        for number, line in enumerate(text.splitlines(), 1):
            if match := MACHINE_PATHS.search(line):
                yield Finding("machine path", path, number, f"{match[0]} is of one machine only")


# Interfaces and state.

def bool_parameters(tree: Tree) -> Iterator[Finding]:
    """`prune(budget, true)` says nothing; an enum does."""
    for path, text in tree.items():
        if "/larder/" not in path or not path.endswith(".h"):
            continue
        blank = scopes.blank(text)
        for match in re.finditer(r"\bbool\b\s*&?\s*\w*\s*(?=[,)=])", blank):
            before = blank[:match.start()]
            statement = before[max(before.rfind(c) for c in ";{}") + 1:]
            if statement.count("(") > statement.count(")"):
                line = before.count("\n") + 1
                yield Finding("bool parameter", path, line, "use an enum with two names")


def mutable_globals(tree: Tree) -> Iterator[Finding]:
    """Two users of the library in one process must not meet in it."""
    for path, text in code_files(tree, "src", "adapters", "include", "testing", "cli"):
        for variable in scopes.mutable_statics(text):
            yield Finding("mutable global", path, variable.line, variable.text)


def readme_code(tree: Tree) -> Iterator[Finding]:
    """The first code that a newcomer copies is compiled and run by the tests."""
    example = tree.get("examples/quickstart.cc", "")
    if "README.md" in tree and (not example or f"```cpp\n{example}```" not in tree["README.md"]):
        yield Finding("readme", "README.md", 1, "its code is not examples/quickstart.cc")


RULES: tuple[Rule, ...] = (
    floors, public_only, system_calls, sizes, function_sizes, unlisted, dead_headers, banned,
    prints, machine_paths, bool_parameters, mutable_globals, readme_code)


def check(tree: Tree, exceptions: dict[tuple[str, str], str]) -> list[Finding]:
    """Every finding of every rule but the exceptions, and every exception without a finding."""
    needed = set()
    left = []
    for rule in RULES:
        for finding in rule(tree):
            if (finding.rule, finding.path) in exceptions:
                needed.add((finding.rule, finding.path))
            else:
                left.append(finding)
    for rule_name, path in exceptions.keys() - needed:
        left.append(Finding("exception", path, 1, f'nothing needs the exception "{rule_name}"'))
    return left


def main() -> int:
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    tree = read_tree(root)
    findings = check(tree, EXCEPTIONS)
    for finding in findings:
        print(finding)
    print(f"{len(tree)} files, {len(RULES)} rules, {len(findings)} findings")
    return 1 if findings or not tree else 0


if __name__ == "__main__":
    sys.exit(main())
