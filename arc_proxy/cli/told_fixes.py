"""What people say of fixes on the console's pages: facts in the journal, as `arc-proxy fix` writes them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from arc_proxy.cli.facts import FactWriter, about_fix
from arc_proxy.cli.folder import Folder
from arc_proxy.dashboard.source import FixWord, NotFound
from arc_proxy.journal.fact import FactType
from arc_proxy.report.health import midnight_ns
from arc_proxy.store.engine import Store
from arc_proxy.store.issues import read_issue

SEEN_S = 2.0  # so long a page waits until it can show what was just said


class ToldFixes:
    """Any thread may tell. `catch_up` waits so many seconds for the rows."""

    def __init__(
        self, folder: Folder, store: Callable[[], Store], catch_up: Callable[[float], object]
    ) -> None:
        self._facts = FactWriter(folder)
        self._store = store
        self._catch_up = catch_up

    def close(self) -> None:
        self._facts.close()

    def tell(self, key: int, word: FixWord, name: str) -> None:
        """Write it, once for each name. Raises NotFound, JournalError, StoreError."""
        issue = read_issue(self._store(), key, recent_ns=midnight_ns(time.time_ns()))
        if issue is None:
            raise NotFound(f"There is no issue {key}.")
        about, fact_id = about_fix(issue), _fact_id(key, word, name)
        if word is FixWord.APPLIED:
            self._facts.write(FactType.FIX_APPLIED, fact_id=fact_id, **about)
        else:
            is_useful = word is FixWord.USEFUL
            self._facts.write(FactType.FIX_VOTE, fact_id=fact_id, **about, is_useful=is_useful)
        self._catch_up(SEEN_S)


def _fact_id(key: int, word: FixWord, name: str) -> bytes:
    """16 bytes; the four in the middle are those of a writer, and no writer is called 0."""
    named = "\0".join((str(key), word, name))
    digest = hashlib.blake2b(named.encode(errors="replace"), digest_size=12, person=b"arc fix").digest()
    return digest[:6] + bytes(4) + digest[6:]
