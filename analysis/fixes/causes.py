"""
Why a tool failed, by what it said: a table of kinds of errors, the first that fits. Pure.

A row says what such an error means, what the developer changes, what the model should be told, and whether
the same call may go well a little later. Sources of the words:
https://docs.python.org/3/library/exceptions.html,
https://sqlite.org/rescode.html, https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html,
https://www.postgresql.org/docs/current/errcodes-appendix.html,
https://www.rfc-editor.org/rfc/rfc9110#section-15
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from analysis.fixes.observed import Observed
from analysis.fixes.quote import name

_LOOKUP = re.compile(r"(?:^|[_.\-])(?:describe|schema|list|find|search|look_?up|get|show|read)", re.I)
# Words that tools have in common, whatever they are about.
_COMMON = frozenset({"data", "detail", "details", "find", "info", "item", "list", "look", "search", "show"})
_SEARCH = re.compile(r"(?:^|[_.\-])(?:list|find|search|look_?up|query)", re.I)
_SCHEMA_TOOL = re.compile(r"schema|describe|tables?|columns?", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """`$1` in its texts is what the first group of `words` found, or `otherwise`."""

    words: re.Pattern[str]
    otherwise: str = ""
    why: str
    advice: str
    hint: str  # for the model, at the end of the error
    is_passing: bool = False
    needs: str = ""  # "schema" or "lookup": a tool that tells valid values
    is_about_arguments: bool = False  # others that are given might do
    found: str = ""

    def filled(self, text: str) -> str:
        return text.replace("$1", name(self.found) or self.otherwise)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.I)


def _status(code: str) -> str:
    """A status of HTTP where it stands as one: a number alone may be an amount."""
    return (
        rf"^\W*{code}\b|\b{code} (?:client|server) error"
        rf"|\b(?:http(?:/[\d.]+)?|status|code|error)(?: (?:code|status|error))?\W{{0,3}}{code}\b"
    )


CAUSES = (
    Cause(
        words=_words(
            r"no such column:? ?[\"'`]?([\w.]+)|unknown column ['\"`]?([\w.]+)"
            r"|column ['\"`]?([\w.]+)['\"`]? does not exist|invalid column name ['\"`]?([\w.]+)"
        ),
        otherwise="that column",
        why="the model guessed the column $1: it wrote the query without having seen the table's columns",
        advice="Put the tables and columns into the tool's description, and into the error.",
        hint="There is no column $1. Look up the tables and their columns before you query again.",
        needs="schema",
    ),
    Cause(
        words=_words(
            r"no such table:? ?[\"'`]?([\w.]+)|table ['\"`]?([\w.]+)['\"`]? doesn't exist"
            r"|relation ['\"`]?([\w.]+)['\"`]? does not exist|invalid object name ['\"`]?([\w.]+)"
        ),
        otherwise="that table",
        why="the model guessed the table $1: it wrote the query without having seen which tables there are",
        advice="Put the names of the tables into the tool's description, and into the error.",
        hint="There is no table $1. Look up which tables there are before you query again.",
        needs="schema",
    ),
    Cause(
        words=_words(
            r"sql syntax|syntax error at or near ['\"]?([^'\"\s]+)|near ['\"]([^'\"]+)['\"]: syntax error"
        ),
        otherwise="a part of it",
        why="the database does not understand the query, $1 in it: often another dialect's syntax, or a text "
        "that is no SQL",
        advice="Name the dialect and its version in the tool's description, and send back the refused query.",
        hint="Write one statement in this database's dialect, without a code fence and without comments.",
    ),
    Cause(
        words=_words(r"group by|nonaggregated|use of group function|ambiguous column|column.{0,80}ambiguous"),
        why="the query is not allowed as it stands; the database says which part",
        advice="Send the database's own message back, with the query that it is about.",
        hint="Name the table of each column, and group by each column that is not aggregated.",
    ),
    Cause(
        words=_words(r"did not contain (?:sql|bash|python|code)"),
        why="the tool looks for code in a form that the model does not write, and finds none",
        advice="Say in the tool's description in which form it takes code, or take the argument as it is.",
        hint="Give the code alone as the argument, with no words around it.",
    ),
    Cause(
        words=_words(r"\bKeyError:? ?\(?['\"]?([^'\")]*)"),
        otherwise="a key",
        why="the tool reads the key $1 from data that does not have it: either the caller left it out, or "
        "the service that the tool asks answers in another form here",
        advice="Read it with .get(), and answer with the keys that there are.",
        hint="The field $1 is not there. Ask for a record that has it, or go on without.",
        is_about_arguments=True,
    ),
    Cause(
        words=_words(r"\bIndexError|list index out of range"),
        why="the tool takes an element of a list that is shorter here, mostly the first of an empty answer",
        advice="Answer that nothing was found before taking the first element.",
        hint="Nothing was found for these arguments. Try others.",
    ),
    Cause(
        words=_words(
            r"(?:FileNotFoundError|ENOENT|no such file or directory|cannot open).{0,100}?['\"]([^'\"]+)"
            r"|FileNotFoundError|ENOENT|no such file or directory"
        ),
        otherwise="it names",
        why="the path $1 is not there as seen from the tool: the model guessed the path, or the tool runs in "
        "another working directory than the model thinks",
        advice="Resolve paths against one root, and answer with the files that are near.",
        hint="There is no such file. List the directory first, and use a path as it is listed.",
        needs="lookup",
        is_about_arguments=True,
    ),
    Cause(
        words=_words(r"empty dataframe|no columns to parse|\b0 rows"),
        why="the frame is empty: a filter matched nothing, or a merge had no keys in common",
        advice="Answer with the number of rows before each filter, and the values that the column has.",
        hint="The filter matched no row. Look at the column's values, and filter again.",
    ),
    Cause(
        words=_words(_status("429") + r"|rate.?limit|too many requests|throttl"),
        why="the service behind the tool limits how often it may be called, and the agent calls it faster",
        advice="Wait as long as Retry-After says inside the tool, so that the model does not see it.",
        hint="The service is busy. Go on with something else, or say that it could not be asked.",
        is_passing=True,
    ),
    Cause(
        words=_words(
            _status("401") + r"|unauthori[sz]ed|invalid (?:api.?key|token|credentials)|token (?:has )?expired"
        ),
        why="the service behind the tool does not accept its credentials; the model can do nothing about it",
        advice="Renew the tool's credential, check it when the agent starts, and fail there.",
        hint="This tool has no access now. Do not call it again; say so in the answer.",
    ),
    Cause(
        words=_words(
            _status("403") + r"|forbidden|permission ?(?:error|denied)|\bEACCES\b|access (?:is )?denied"
        ),
        why="the tool may not do this with the rights that it has; the model can do nothing about it",
        advice="Give the tool's account the right, or take the action out of what it offers.",
        hint="This is not allowed for you. Do not try again; say so in the answer.",
    ),
    Cause(
        words=_words(_status("50[0234]") + r"|bad gateway|service unavailable|internal server error"),
        why="the service behind the tool failed; most such errors are gone a moment later",
        advice="Try again inside the tool, with backoff, before the model sees the error.",
        hint="The service failed. Do not call it again in this turn; say that it could not be asked.",
        is_passing=True,
    ),
    Cause(
        words=_words(r"time(?:d)?[ -]?out|deadline exceeded|ETIMEDOUT"),
        why="the tool took longer than its limit: the work is too large for one call, or the service is slow",
        advice="Limit what one call asks for, raise the tool's own limit, and try once more.",
        hint="It took too long. Ask for less: fewer rows, a shorter range, one item at a time.",
        is_passing=True,
    ),
    Cause(
        words=_words(
            r"connection ?(?:refused|reset|error|aborted)|ECONNREFUSED|ECONNRESET|name or service not known"
            r"|getaddrinfo|\bENOTFOUND|temporary failure in name"
        ),
        why="nothing answers at the address that the tool calls: the service is down, or the address is "
        "another one where the agent runs (in a container, localhost is the container)",
        advice="Check the address where the agent runs, and try again with backoff inside the tool.",
        hint="The service cannot be reached. Do not call it again; say so in the answer.",
        is_passing=True,
    ),
    Cause(
        words=_words(
            r"JSONDecodeError|expecting (?:value|property name|',' delimiter|':' delimiter|.{1,3} delimiter)"
            r"|unexpected token|is not valid json|unterminated string"
        ),
        why="the tool reads as JSON what is none: an argument that the model wrote by hand, or an error "
        "page of the service where JSON was expected",
        advice="Declare the argument as an object, not as a string of JSON; check the status before reading.",
        hint="Give the argument as JSON, with double quotes and without a code fence.",
        is_about_arguments=True,
    ),
    Cause(
        words=_words(
            r"unexpected keyword argument ['\"]?(\w+)|missing \d+ required .{0,40}?argument.{0,20}?['\"](\w+)"
        ),
        otherwise="an argument",
        why="the function behind the tool and the schema that the model was given differ in $1",
        advice="Make the schema from the function's signature, or change the one that is out of date.",
        hint="Use the parameters of the tool's schema, and no others.",
        is_about_arguments=True,
    ),
    Cause(
        words=_words(
            r"validation errors? for (\w+)|ValidationError|invalid (?:input|argument|parameter|value)"
            r"|is not of type|is not one of|field required|input should be"
        ),
        otherwise="the tool",
        why="an argument does not have the form that $1 wants, and its schema did not say so",
        advice="Say it in the schema (enum, pattern, format), with an example in the description.",
        hint="Read the parameters' descriptions, and correct the argument that the message names.",
        is_about_arguments=True,
    ),
    Cause(
        words=_words(r"(?:ModuleNotFoundError|ImportError|no module named) ?:?.{0,40}?['\"]([\w.]+)"),
        otherwise="it names",
        why="the module $1 is not installed where the tool runs",
        advice="Install it there, and name the modules that there are in the tool's description.",
        hint="The module $1 is not installed here. Use what is installed.",
    ),
    Cause(
        words=_words(r"(\S+): command not found|not recognized as"),
        otherwise="it names",
        why="the command $1 is not installed where the tool runs",
        advice="Install it there, and name the commands that there are in the tool's description.",
        hint="$1 is not installed here. Use another command.",
    ),
    Cause(
        words=_words(_status("404") + r"|not found|does not exist|unknown (?:id|user|order)|no such"),
        why="the model asks for something that is not there: a value that it made up, wrote in another "
        "form, or took from another field",
        advice="Say in the description where the value comes from and how it looks, and name it in the "
        "error.",
        hint="Take the value from an earlier result or from the user, as it stands there, character by "
        "character.",
        needs="lookup",
        is_about_arguments=True,
    ),
    Cause(
        words=_words(_status("4(?:00|05|09|1[0-9]|22)") + r"|bad request|unprocessable"),
        why="the service behind the tool refuses the request as it is; the same call will fail again",
        advice="Hand the body of the refusal to the model: it says which field is wrong.",
        hint="Correct the field that the message names before you call again.",
        is_about_arguments=True,
    ),
    Cause(
        words=_words(r"insufficient|cannot be|can't be|should (?:be|match|not)|must (?:be|match|not)"),
        why="a rule of the business forbids it, and the model learns that only from the refusal",
        advice="Write the rule into the tool's description, so that it is known before the call.",
        hint="This is a rule, so the same call fails again. Tell the user, or choose what the rule allows.",
    ),
    Cause(
        words=_words(r"\b(TypeError|AttributeError|NameError|ValueError|ZeroDivisionError|UnboundLocal\w+)\b"),
        otherwise="an exception",
        why="the tool's own code raised $1 for these arguments; the model can only guess what it may do",
        advice="Reproduce it with the arguments of the failing call, and fix the tool or check its "
        "arguments.",
        hint="The tool cannot take these arguments. Change them, or go on without it.",
        is_about_arguments=True,
    ),
)  # fmt: skip
UNKNOWN = Cause(
    words=_words(""),
    why="the tool refuses these arguments, and its message does not say what would be accepted",
    advice="Let the message say what was wrong with which argument, and what would be right.",
    hint="Do not repeat the same call. Change the arguments, or go on without this tool.",
    is_about_arguments=True,
)


def cause_of(observed: Observed) -> Cause:
    for cause in CAUSES:
        match = cause.words.search(observed.seen)
        if match is not None:
            found = next((group for group in match.groups() if group), "")
            return replace(cause, found=found)
    return UNKNOWN


def lookup_tool(observed: Observed, needs: str) -> str:
    """Of the offered tools one that tells what the failing one wants to know; "" where none looks so."""
    if needs == "lookup" and _SEARCH.search(observed.subject):
        return ""  # it is one itself
    pattern = _SCHEMA_TOOL if needs == "schema" else _LOOKUP
    words = {word for word in re.split(r"[_.\-]", observed.subject.lower()) if len(word) > 3} - _COMMON
    offered = [each.strip() for each in observed.fact("tools").split(",")]
    fitting = [each for each in offered if each and each != observed.subject and pattern.search(each)]
    related = [each for each in fitting if any(word in each.lower() for word in words)]
    return name(next(iter(related or (fitting if needs == "schema" else [])), ""))
