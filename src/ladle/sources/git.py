"""What git knows of a file, read from its own files: no process is started."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ladle.schema.provenance import without_secrets

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:]+):(?P<path>[^/].*)")


@dataclass(frozen=True, slots=True)
class WorkingTree:
    """A checked-out repository.

    Attributes:
        root: its folder.
        commit: that is checked out; None before the first.
        branch: that is checked out; None for none.
        git_dir: what is the tree's own; a worktree's is not the repository's.
        common_dir: what all worktrees share.
    """

    root: Path
    commit: str | None
    branch: str | None
    git_dir: Path
    common_dir: Path

    @property
    def remote(self) -> str | None:
        """The URL of `origin`, without login; None without one."""
        from configparser import ConfigParser
        from configparser import Error as IniError

        parser = ConfigParser(strict=False, interpolation=None, allow_no_value=True)
        try:
            parser.read(self.common_dir / "config", encoding="utf-8")
        except (IniError, OSError, UnicodeDecodeError):
            return None
        url = parser.get('remote "origin"', "url", fallback=None)
        if not url:
            return None
        scp = _SCP.fullmatch(url) if "://" not in url else None
        return f"ssh://{scp['host']}/{scp['path']}" if scp else without_secrets(url)


def working_tree(file: Path) -> WorkingTree | None:
    """Return the working tree that a file is in; None for none, or one that can't be read."""
    for folder in file.parents:
        mark = folder / ".git"
        try:
            if mark.is_dir():
                return _read(folder, mark)
            if mark.is_file():
                return _read(folder, _linked(mark, "gitdir:"))
        except (OSError, UnicodeDecodeError):
            return None
    return None


def _linked(file: Path, prefix: str = "") -> Path:
    target = file.read_text(encoding="utf-8").strip().removeprefix(prefix).strip()
    return (file.parent / target).resolve()


def _read(root: Path, git_dir: Path) -> WorkingTree:
    shared = git_dir / "commondir"
    common = _linked(shared) if shared.is_file() else git_dir
    head = (git_dir / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref:"):
        return WorkingTree(root, _commit(head), None, git_dir, common)
    ref = head.removeprefix("ref:").strip()
    branch = ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None
    return WorkingTree(root, _of_ref(ref, git_dir, common), branch, git_dir, common)


def _of_ref(ref: str, git_dir: Path, common: Path) -> str | None:
    for folder in dict.fromkeys((git_dir, common)):
        if (folder / ref).is_file():
            return _commit((folder / ref).read_text(encoding="utf-8").strip())
    packed = common / "packed-refs"
    if packed.is_file():
        for line in packed.read_text(encoding="utf-8").splitlines():
            commit, _, name = line.partition(" ")
            if name == ref:
                return _commit(commit)
    return None


def _commit(text: str) -> str | None:
    return text if _COMMIT.fullmatch(text) else None
