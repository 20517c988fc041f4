"""Pages as lists of snippets, by these rules:

- A `python` block runs, in order with the others of its page, in one interpreter and one empty folder.
- `python file=job.py` stores the block in that folder instead; `bash` runs there.
- `python raises` has to end with an error; its last line, as Python prints it, counts as output.
- `python needs=postgres` runs where the tests have a Postgres; `DESTINATION__POSTGRES__CREDENTIALS` names it. So does
  `needs=mysql`.
- `python no-run` doesn't run; its first line is a comment that tells the reader why.
- A `text` block right after such a block is what it prints; `...` stands for anything in a line, a line of
  `...` for any number of lines.

Anything else (`sh` for set-up, `sql`, `toml`) is only shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = ("python", "bash")

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """One fenced block. `line`: of its fence, from 1. `output`: the `text` block right after it, if any."""

    language: str
    flags: frozenset[str]
    code: str
    line: int
    output: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether the block is run or stored."""
        return self.language in RUN and "no-run" not in self.flags


def snippets(text: str) -> list[Snippet]:
    """Return the blocks of a page in order; those that are output belong to the block before them."""
    return list(_snippets(text))


def _snippets(text: str) -> Iterator[Snippet]:
    found = list(_FENCE.finditer(text))
    for index, match in enumerate(found):
        words = match["info"].split()
        language, rest = (words[0], words[1:]) if words else ("", [])
        if language == "text" and index and _follows(text, found[index - 1], match):
            continue
        following = found[index + 1] if index + 1 < len(found) else None
        output = None
        if following and following["info"].split() == ["text"] and _follows(text, match, following):
            output = following["code"]
        options = dict(word.split("=", 1) for word in rest if "=" in word)
        flags = frozenset(word for word in rest if "=" not in word)
        line = text.count("\n", 0, match.start()) + 1
        yield Snippet(language, flags, match["code"], line, output, options)


def _follows(text: str, before: re.Match[str], after: re.Match[str]) -> bool:
    return (
        before["info"].split()[:1] in (["python"], ["bash"])
        and not text[before.end() : after.start()].strip()
    )


def matches(expected: str, found: str) -> bool:
    """Whether output is what a page shows, `...` taken for anything."""
    pattern = ""
    for line in expected.rstrip().splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += r"[^\n]*?".join(map(re.escape, line.rstrip().split("..."))) + r"[ ]*\n"
    return re.fullmatch(pattern, found.rstrip() + "\n") is not None
