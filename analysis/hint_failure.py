"""
Hints: what tells little of one run, and something of many: turns of phrase, and tools that hand over. Pure.

Among recorded runs of one agent those with a refusing phrase, a hand-over or an annoyed user failed as often
as others did, or less often. So each is looked for where somebody asks for it, and no score counts it: what
says something is that there are more of them this week. The phrases are English.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import chain

from analysis.conversation import Conversation
from analysis.failure import EVIDENCE_CHARACTERS_MAX, Failure, FailureCode
from analysis.request import offered_tools, texts_of
from analysis.tool_failure import Used
from analysis.tool_name import hands_over, only_reads
from arc_proxy.call import Call, Captured

_OPENING_CHARACTERS_MAX = 400  # a refusal comes first
_TURN_CHARACTERS_MAX = 1_000  # longer ones are documents
_APOSTROPHES = str.maketrans({"\u2019": "'"})

_CANNOT = (
    r"(?:can(?:not|'t)|won't|must decline to|have to decline to|(?:am|'m|are|'re) (?:not able|unable) to"
    r"|(?:am|'m|are|'re) not (?:allowed|permitted) to)"
)
_REFUSING = re.compile(
    # To look for something and not find it is another thing: see run.final_giveup.
    rf"\b(?:sorry|afraid|apologi[sz]e|unfortunately)\b[^.!?\n]{{0,60}}\b(?:I|we) ?{_CANNOT} "
    r"(?!find|locate|see|determine|identify|verify|access|retrieve|tell)"
    rf"|\b(?:I|we) ?{_CANNOT} (?:assist|comply|fulfil|engage|(?:continue|help(?: you)?) with (?:that|this)"
    r"|(?:discuss|do) (?:that|this)|(?:provide|create|generate|write) (?:that|this|such))"
    r"|\bas an AI\b[^.!?\n]{0,40}\bI can(?:not|'t)\b",
    re.I,
)
_DONE = (
    r"(?:added|archived|assigned|booked|cancell?ed|changed|closed|created|deleted|deployed|exchanged|fixed"
    r"|forwarded|issued|merged|modified|moved|paid|placed|processed|published|refunded|removed|renamed|reset"
    r"|returned|saved|scheduled|sent|submitted|transferred|updated|upgraded|uploaded)"
)
_CLAIMING = re.compile(
    rf"\b(?:has|have) (?:now |just )?been (?:successfully |now )*{_DONE}\b"
    rf"|\b(?:was|were) successfully {_DONE}\b"
    rf"|\b(?:I've|I have) (?:now |just |successfully |gone ahead and )*{_DONE}\b",
    re.I,
)
# Of a sentence that tells of an earlier time, of a later one, or asks.
_NOT_NOW = re.compile(
    r"\b(?:already|before|earlier|previously|if|once|when|until|unless|after|not|never|will|would|ago|since"
    r"|yesterday|last|may|might|could|should|status|records?|history)\b|\?",
    re.I,
)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_ANNOYED = re.compile(
    r"\b(?:this|that|it|you)(?:'s| is|'re| are) (?:(?:so|really|very|getting|just|honestly|absolutely"
    r"|completely|totally|beyond) )*(?:ridiculous|frustrating|useless|unacceptable|annoying|absurd"
    r"|infuriating|nonsense|a joke|a waste of (?:my )?time|wasting my time)\b"
    r"|\bare you (?:daft|stupid|kidding|deaf|even listening|even reading|serious)\b"
    r"|\bwhat the (?:hell|heck|f\S{1,6})|\bwtf\b|\bdam(?:n|mit)\b|\bf(?:uck|\*+)(?:ing)?\b"
    r"|\bfor (?:god|christ|heaven|fuck)'?s sake\b"
    r"|\b(?:that|this|it)(?:'s| is) (?:not what I (?:asked|wanted|said|meant)|still (?:wrong|broken|not))"
    r"|\bI(?:'ve| have)? (?:already|just) (?:told|said|asked|explained|gave|given)\b"
    r"|\bhow many times\b|\byou(?:'re| are) not listening\b|\b(?:stop|quit) (?:ignoring|wasting|making)\b"
    r"|\bI(?:'m| am) (?:so |really |very |getting )*(?:annoyed|frustrated|fed up|furious|sick of)\b",
    re.I,
)
# What frameworks put into a user's turn is in tags.
_TAG = re.compile(r"\s*<")


def hint_failures(
    wanted: Collection[FailureCode],
    generations: Sequence[Call],
    talks: Sequence[Conversation],
    uses: Sequence[Used],
) -> Iterator[Failure]:
    """`wanted`: of `HINTS`. `generations`, `talks` and `uses` are of one run, in order."""
    if FailureCode.REFUSAL_PHRASE in wanted:
        yield from chain.from_iterable(map(_refusing, generations))
    if FailureCode.HANDOFF in wanted:
        yield from _handing_over(generations)
    if FailureCode.CLAIM_WITHOUT_ACTION in wanted:
        yield from _claiming(generations, uses)
    if FailureCode.FRUSTRATION in wanted:
        yield from chain.from_iterable(map(_annoyed, talks))


def _refusing(call: Call) -> Iterator[Failure]:
    text = _answer(call)[:_OPENING_CHARACTERS_MAX]
    found = _REFUSING.search(text)
    if found is not None:
        yield Failure(
            FailureCode.REFUSAL_PHRASE,
            text[:EVIDENCE_CHARACTERS_MAX],
            "reply.output_text",
            call_id=call.call_id,
        )


def _handing_over(generations: Sequence[Call]) -> Iterator[Failure]:
    """Each tool once: a run that is handed over is handed over."""
    told: set[str] = set()
    for call in generations:
        for made in call.reply.tool_calls:
            if hands_over(made.name) and made.name not in told:
                told.add(made.name)
                yield Failure(
                    FailureCode.HANDOFF,
                    f"{made.name}({made.arguments})"[:EVIDENCE_CHARACTERS_MAX],
                    "reply.tool_calls",
                    call_id=call.call_id,
                    tool_call_id=made.id,
                    subject=made.name,
                )


def _claiming(generations: Sequence[Call], uses: Sequence[Used]) -> Iterator[Failure]:
    """The first answer that says something was done, where no tool was called that may have done it."""
    asked = (made.name for call in generations for made in call.reply.tool_calls)
    if not all(map(only_reads, chain(asked, (used.use.name for used in uses)))):
        return
    for call in generations:
        # What stands behind an id, or was not kept, may have had the call.
        if call.captured is not Captured.FULL or call.prompt.parameters.get("previous_response_id"):
            return
        if call.reply.server_tools or not offered_tools(call.prompt):
            continue
        said = _claim(_answer(call))
        if said:
            yield Failure(
                FailureCode.CLAIM_WITHOUT_ACTION,
                said[:EVIDENCE_CHARACTERS_MAX],
                "reply.output_text",
                call_id=call.call_id,
            )
            return


def _claim(text: str) -> str:
    sentences = (found[0].strip() for found in _SENTENCE.finditer(text))
    return next((each for each in sentences if _CLAIMING.search(each) and not _NOT_NOW.search(each)), "")


def _answer(call: Call) -> str:
    """What a call says to the user; "" where it goes on with tools."""
    return "" if call.reply.tool_calls else (call.reply.output_text or "").translate(_APOSTROPHES)


def _annoyed(talk: Conversation) -> Iterator[Failure]:
    """Turns of the user that answer the model, from where this run took the conversation up."""
    messages = talk.read()
    first = talk.turns[0]
    spoken = [place for place in range(first.end) if _is_models(messages[place])]
    for place in range(spoken[-1] + 1 if spoken else first.end, len(messages)):
        message = messages[place]
        if message.get("role") != "user":
            continue
        for text in texts_of(message):
            turn_text = text.translate(_APOSTROPHES)
            is_typed = len(text) <= _TURN_CHARACTERS_MAX and not _TAG.match(text)
            if is_typed and _ANNOYED.search(turn_text):
                turn = talk.shown_by(place)
                yield Failure(
                    FailureCode.FRUSTRATION,
                    text[:EVIDENCE_CHARACTERS_MAX],
                    "messages",
                    call_id=turn.call.call_id,
                    message_index=turn.index_of(place),
                )
                break


def _is_models(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") in ("assistant", "model")
