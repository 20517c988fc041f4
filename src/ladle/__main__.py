"""`python -m ladle` is the command line."""

from __future__ import annotations

from ladle.cli import main

if __name__ == "__main__":
    main()
