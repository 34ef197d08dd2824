"""Edits of other projects' C sources: each says by a short anchor where to cut, and which C of ours to put in.

An anchor must be there exactly once in its scope (a
function): a source that has changed is an error, never an edit in a wrong place.

    include(ANCHOR, HEADERS)       includes headers after the line of the anchor, which has the file's own first header: what is
                                   defined there for the C library's headers has to come first
    body(FUNCTION, C)              the inside of a function's braces
    block(FUNCTION, ANCHOR, C)     the innermost braces round the anchor, with what stands on their lines
    blocks(FUNCTION, A, B, C)      from the block of A to the block of B
    lines(FUNCTION, A, B, C)       from the line of A to the line of B, the first after A; `until` leaves B's line
    before_block(FUNCTION, ANCHOR, C)   puts C before that block
    after(FUNCTION, ANCHOR, C)     puts C after the line of the anchor
"""

import difflib
import os
import re


class NoAnchor(Exception):
    pass


def blind(text):
    """The same text, of the same length, without comments, strings and characters, in which braces count for nothing."""
    pattern = r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    return re.sub(pattern, lambda found: re.sub(r"[^\n]", " ", found[0]), text, flags=re.DOTALL)


def closing(code, opening):
    depth = 0
    for at in range(opening, len(code)):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        if depth == 0:
            return at
    raise NoAnchor("a brace that is never closed")


class Source:
    def __init__(self, text):
        self.text = text
        self.code = blind(text)

    def function(self, name):
        """(after the opening brace, closing brace) of a function's definition; None is the whole file."""
        if name is None:
            return 0, len(self.text)
        found = []
        for match in re.finditer(rf"\b{re.escape(name)}\s*\(", self.code):
            if self.code[: match.start()].count("{") != self.code[: match.start()].count("}"):
                continue
            rest = re.match(r"[^;{]*\{", self.code[match.end() :])
            if rest:
                found.append(match.end() + rest.end() - 1)
        if len(found) != 1:
            raise NoAnchor(f"function {name} is defined {len(found)} times")
        return found[0] + 1, closing(self.code, found[0])

    def find(self, scope, anchor):
        first, last = self.function(scope)
        count = self.text.count(anchor, first, last)
        if count != 1:
            raise NoAnchor(f"{anchor!r} is in {scope or 'the file'} {count} times")
        return self.text.index(anchor, first, last)

    def start_of_line(self, at):
        return self.text.rfind("\n", 0, at) + 1

    def end_of_line(self, at):
        return self.text.index("\n", at) + 1

    def braces(self, scope, anchor):
        at = self.find(scope, anchor)
        depth = 0
        for opening in range(at, -1, -1):
            depth += {"{": 1, "}": -1}.get(self.code[opening], 0)
            if depth == 1:
                return opening, closing(self.code, opening)
        raise NoAnchor(f"{anchor!r} is in no block")

    def put(self, first, last, c):
        self.text = self.text[:first] + c.removeprefix("\n") + self.text[last:]
        self.code = blind(self.text)

    def edit(self, kind, *words):
        getattr(self, "edit_" + kind)(*words)

    def edit_body(self, function, c):
        first, last = self.function(function)
        self.put(self.end_of_line(first), self.start_of_line(last), c)

    def edit_blocks(self, function, first, last, c):
        start = self.start_of_line(self.braces(function, first)[0])
        self.put(start, self.end_of_line(self.braces(function, last)[1]), c)

    def edit_lines(self, function, first, last, c, until):
        start = self.find(function, first)
        end = self.text.find(last, start, self.function(function)[1])
        if end < 0:
            raise NoAnchor(f"{last!r} is not in {function} after {first!r}")
        end = self.start_of_line(end) if until else self.end_of_line(end)
        self.put(self.start_of_line(start), end, c)

    def edit_before_block(self, function, anchor, c):
        at = self.start_of_line(self.braces(function, anchor)[0])
        self.put(at, at, c)

    def edit_after(self, function, anchor, c):
        at = self.end_of_line(self.find(function, anchor))
        self.put(at, at, c)


# --- the edits, as data: a build is made again when they differ ----------------------------------------------------------------


def include(anchor, *headers):
    return "after", None, anchor, "".join(f"#include <{header}>\n" for header in headers)


def body(function, c):
    return "body", function, c


def block(function, anchor, c):
    return "blocks", function, anchor, anchor, c


def blocks(function, first, last, c):
    return "blocks", function, first, last, c


def lines(function, first, last, c, until=False):
    return "lines", function, first, last, c, until


def before_block(function, anchor, c):
    return "before_block", function, anchor, c


def after(function, anchor, c):
    return "after", function, anchor, c


def swap(directory, edits):
    """Makes the edits, {file: [edit]}; returns how many lines are gone and how many are new, blank ones not counted."""
    gone = new = 0
    for name, of_file in edits.items():
        path = os.path.join(directory, name)
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            source = Source(file.read())
        was = source.text.splitlines()
        for edit in of_file:
            try:
                source.edit(*edit)
            except NoAnchor as why:
                raise NoAnchor(f"{name}: {why}") from None
        for line in difflib.ndiff(was, source.text.splitlines()):
            gone += line.startswith("- ") and bool(line[2:].strip())
            new += line.startswith("+ ") and bool(line[2:].strip())
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(source.text)
    return gone, new
