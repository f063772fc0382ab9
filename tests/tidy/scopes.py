"""Where functions, types and namespaces of a C++ file begin and end, by its braces.

A heuristic, not a parser: good enough to measure functions and to find state that is not local.
"""

import re
from typing import Iterator, NamedTuple


class Function(NamedTuple):
    line: int
    lines: int


class Variable(NamedTuple):
    line: int
    text: str


TOKENS = re.compile(
    r"""
      (?P<comment>//[^\n]*|/\*.*?\*/)
    | (?P<raw>\bR"(?P<delimiter>[^()\s]{0,16})\(.*?\)(?P=delimiter)")
    | (?P<string>"(?:\\.|[^"\\\n])*")
    | (?P<character>(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+')
    """,
    re.DOTALL | re.VERBOSE)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)


def _hollow(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def blank(text: str) -> str:
    """The same length and lines, with comments and directives gone and literals emptied."""
    def replace(match: re.Match) -> str:
        if match["comment"] is not None:
            return _hollow(match[0])
        return '"' + _hollow(match[0][1:-1]) + '"'

    return DIRECTIVE.sub(lambda match: _hollow(match[0]), TOKENS.sub(replace, text))


class Scope(NamedTuple):
    kind: str  # "namespace", "type", "function", "block"
    head: str  # what stands before the brace, since the last statement
    line: int  # of the head


NAMESPACE = re.compile(r'^\s*((inline\s+)?namespace\b|extern\s+"\s*"\s*$)')
TYPE = re.compile(r"^\s*(template\s*<.*>\s*)?(typedef\s+)?(class|struct|enum|union)\b", re.DOTALL)


def _kind(head: str, outer: str) -> str:
    if outer in ("function", "block"):
        return "block"
    if NAMESPACE.match(head):
        return "namespace"
    if TYPE.match(head) and not re.search(r"\)\s*(const|noexcept|override|final)*\s*$", head):
        return "type"
    if "(" in head and not head.rstrip().endswith("="):
        return "function"
    return "block"


class Piece(NamedTuple):
    """A statement, or the opening or the end of a scope; `outer` is the kind that it stands in."""
    what: str  # "statement", "open", "close"
    scope: Scope
    outer: str
    end_line: int


def pieces(text: str) -> Iterator[Piece]:
    text = blank(text)
    stack: list[Scope] = []
    start = 0
    parentheses = 0
    for match in re.finditer(r"[{}();]", text):
        character = match[0]
        if character in "()":
            parentheses += 1 if character == "(" else -1
            continue
        outer = stack[-1].kind if stack else "namespace"
        head = text[start:match.start()]
        first = start + len(head) - len(head.lstrip())
        line = text.count("\n", 0, first) + 1
        end_line = text.count("\n", 0, match.start()) + 1
        if character == "{":
            scope = Scope(_kind(head, outer), head.strip(), line)
            stack.append(scope)
            yield Piece("open", scope, outer, end_line)
        elif character == "}" and stack:
            scope = stack.pop()
            yield Piece("close", scope, stack[-1].kind if stack else "namespace", end_line)
        elif character == ";" and parentheses == 0:
            yield Piece("statement", Scope("statement", head.strip(), line), outer, end_line)
        start = match.end()


def functions(text: str) -> Iterator[Function]:
    for piece in pieces(text):
        if piece.what == "close" and piece.scope.kind == "function":
            yield Function(piece.scope.line, piece.end_line - piece.scope.line + 1)


NO_VARIABLE = re.compile(
    r"^(using|typedef|namespace|class|struct|enum|union|template|friend|static_assert|extern|public"
    r"|private|protected|concept)\b")
CONSTANT = re.compile(r"\b(const|constexpr|consteval)\b")


def _is_constant(declaration: str) -> bool:
    """`const char* name` can be changed, `const char* const name` cannot."""
    declared = re.split(r"=", declaration, maxsplit=1)[0]
    if "constexpr" in declared:
        return True
    return bool(CONSTANT.search(declared[declared.rfind("*") + 1:]))


def mutable_statics(text: str) -> Iterator[Variable]:
    """Variables that outlive their function and may change."""
    for piece in pieces(text):
        if piece.what == "close" or piece.scope.kind not in ("statement", "block"):
            continue
        head = re.sub(r"\[\[.*?\]\]", "", piece.scope.head).strip()
        declared = head.split("=")[0]
        lasting = re.match(r"(inline\s+)?(static|thread_local)\b", head)
        if not head or NO_VARIABLE.match(head) or _is_constant(head):
            continue
        if piece.outer == "namespace":
            variable = re.match(r"[\w:<>,\s*&]+[\s*&>]\w+(\[.*\])?\s*$", declared)
            if variable and "(" not in declared:
                yield Variable(piece.scope.line, declared.strip())
        elif lasting and "(" not in declared:
            yield Variable(piece.scope.line, declared.strip())
