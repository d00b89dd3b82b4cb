"""What capture lost or could not secure, as the journal's writers and ingest counted it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from arc_proxy.format import plural, size
from arc_proxy.store.engine import Store
from arc_proxy.store.read import writer_counts


@dataclass(frozen=True, slots=True)
class _Loss:
    noun: str  # "" for bytes
    says: str
    cure: str


_DISK = "a full or slow disk does this: see the disk's line, or move the data folder"
_BUG = "please report it, with the lines of logs/console.log; `arc-proxy db rebuild` reads them again later"

_LOSSES = {
    "lost_calls": _Loss("call", "left no trace but a count", _DISK),
    "lost_records": _Loss("record", "of the journal were dropped", _DISK),
    "lost_bytes": _Loss("", "of bodies were not kept", _DISK),
    "lost_segments": _Loss(
        "segment", "of the journal deleted while it was written", "leave the journal folder alone"
    ),
    "unsecured_calls": _Loss("call", "recorded only after they were answered, as the disk was slow", _DISK),
    "write_errors": _Loss("write", "to the journal failed", _DISK),
    "unjudged_calls": _Loss(
        "call", "went on before a guard had judged them", "the console answers too late: give it more CPU"
    ),
    "broken_recordings": _Loss("recording", "broke off, while the traffic went on", _BUG),
    "damaged_segments": _Loss(
        "segment", "damaged in the middle: what stands behind is lost", "check the disk"
    ),
    "unreadable_records": _Loss("record", "of the journal could not be read", "check the disk"),
    "unread_calls": _Loss("call", "have bodies that this version could not read", _BUG),
    "malformed_headers": _Loss(
        "x-arc-* value",
        "ignored as malformed",
        "1 to 200 printable characters; tags are name=value, name=value",
    ),
    "malformed_facts": _Loss("fact", "could not be read", _BUG),
}


Standing = Mapping[str, Mapping[str, int]]  # by writer, see `journal.standing`


def read_losses(store: Store, standing: Standing) -> dict[str, int]:
    """
    Sums over all writers, ever; only what is not zero. Raises StoreError.

    `standing` are the counts of running writers, which the journal may not hold yet. Counts only grow, so of
    what a writer said twice the larger is the later.
    """
    said = {writer: Counter(counts) for writer, counts in standing.items()}
    losses: Counter[str] = Counter()
    for writer in writer_counts(store):
        said[writer.writer] = said.get(writer.writer, Counter()) | Counter(writer.counts)
        losses.update(writer.tallies)
    for counts in said.values():
        losses.update(counts)
    return {name: losses[name] for name in sorted(_LOSSES) if losses[name]}


def loss_words(losses: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """For each loss a sentence, and what to do."""
    for name, loss in _LOSSES.items():
        amount = losses.get(name, 0)
        if amount:
            counted = plural(amount, loss.noun) if loss.noun else size(amount)
            yield f"{counted} {loss.says}", loss.cure
