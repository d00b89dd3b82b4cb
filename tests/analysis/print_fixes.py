"""
Prints the fix of each issue in `seen_issues`, to be read as its developer would.

    python -m tests.analysis.print_fixes [WORDS OF A TITLE OR CODE ...]
"""

from __future__ import annotations

import sys
import textwrap

from analysis.fixes import fix_for
from tests.analysis.seen_issues import ISSUES

WIDTH = 100


def main() -> None:
    wanted = sys.argv[1:]
    for title, observed in ISSUES.items():
        if wanted and not any(word in f"{title} {observed.code}" for word in wanted):
            continue
        fix = fix_for(observed)
        print(f"{'=' * WIDTH}\n{title} | {observed.code} | {observed.framework} | {fix.level}\n")
        print(f"{fix.title}\n")
        for text in (fix.what_happened, fix.why):
            print(textwrap.fill(text, WIDTH))
        print(f"\n[{fix.language}]\n{textwrap.indent(fix.change, '    ')}\n")
        print(textwrap.fill(f"check: {fix.check}", WIDTH))


if __name__ == "__main__":
    main()
