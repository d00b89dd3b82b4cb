"""
How programs begin when they fail: shells, compilers, interpreters, databases, HTTP clients. Data only.

Each pattern is matched at the beginning of a result's first line, unless it says otherwise.
"""

from __future__ import annotations

import re


def _any_of(*patterns: str) -> str:
    return f"(?:{'|'.join(patterns)})"


_WHAT = _any_of(
    *("api", "argument", "build", "client", "compilation", "compile", "connection", "database", "db"),
    *("execution", "fatal", "http", "input", "internal", "key", "network", "parse", "parsing", "query"),
    *(
        "request",
        "runtime",
        "server",
        "sql",
        "syntax",
        "system",
        "tool",
        "type",
        "unexpected",
        "validation",
        "value",
    ),
)
_DOING = _any_of(
    *(
        "at",
        "calling",
        "code",
        "connecting",
        "creating",
        "during",
        "evaluating",
        "executing",
        "fetching",
        "from",
    ),
    *("getting", "in", "invoking", "loading", "occurred", "on line", "opening", "parsing", "performing"),
    *(
        "processing",
        "reading",
        "response from",
        "retrieving",
        "running",
        "searching",
        "when",
        "while",
        "writing",
    ),
    *(r"\d+", r"[A-Z]{1,4}\d{2,}"),
)
_STATUS_WORDS = _any_of(
    *("bad gateway", "bad request", "client error", "conflict", "forbidden", r"gateway time-?out", "gone"),
    *(
        "internal server",
        "method not allowed",
        "not found",
        "payment required",
        "request timeout",
        "server error",
    ),
    *("service unavailable", "too many requests", "unauthorized", "unprocessable"),
)

# Whatever follows: "Error: ...", "ERROR 1064 (42000)", "error[E0308]: ...", "Error executing query: ...".
LEADING = re.compile(
    _any_of(
        rf"(?:{_WHAT}[ _-])*{_any_of('error', 'err!?', 'errno', 'exception', 'failure')}"
        + _any_of(r"\s*[:!\]=(\[]", r"\s*-\s", rf"\s+{_DOING}\b", r"\s*\Z"),
        r"an? (?:\w+ ){0,3}(?:error|exception) (?:occurred|was|has|happened)",
        r"there was an? (?:\w+ ){0,2}(?:error|problem)",
        rf"{_any_of('fatal', 'panic', 'abort(?:ed)?', 'critical', 'uncaught', 'unhandled')}\b\s*[:(!]",
        r"(?:uncaught|unhandled) (?:\w+ )?(?:error|exception|rejection)",
        *(r"PHP (?:fatal|parse) error", r"\[Errno -?\d+\]", r"net::ERR_\w+", "npm error "),
        # The word in other languages.
        r"(?:fehler|erreur|errore|erro|fout|ошибка|błąd|错误|錯誤|エラー|오류)\s*[:\uff1a!]",
        *(r"(?:build|compilation|test run) failed\b", r"\d{6} \(\w{5}\): SQL compilation error"),
        *(r"thread '[^']*' panicked at", "npm ERR!", r"make(?:\[\d+\])?: \*\*\*", "E: ", r"curl: \(\d+\)"),
        *(r"SQLSTATE\b", r"ORA-\d{5}", r"Msg \d+, Level \d+"),
        *(
            "segmentation fault",
            "bus error",
            "core dumped",
            r"killed\s*\Z",
            "out of memory",
            "stack overflow",
        ),
        # src/main.c:3:5: error: ..., src/a.ts(3,5): error ...
        *(r"[^\s:]+:\d+(?::\d+)?:? (?:fatal )?(?:syntax )?error\b", r"[^\s(]+\(\d+(?:,\d+)?\): error\b"),
        r"[^\s:]+\.\w{1,5}:\d+:\d+: (?:undefined|undeclared|cannot|expected|missing|mismatched|invalid)\b",
        r"http(?:/\d(?:\.\d)?)?[ :]+(?:error |status )?(?:code )?[45]\d\d\b",
        rf"(?:error )?[45]\d\d\s*[:\-]?\s*{_STATUS_WORDS}",
        r"(?:status(?: code)?|response code)\s*[:=]?\s*[45]\d\d\b",
        r"request failed with status(?: code)?",
    ),
    re.I,
)

# An exception by its class, in the case that classes have: "ValueError: ...", "KeyError('x')",
# "java.lang.NullPointerException: null", "(sqlite3.OperationalError) x", "psycopg2.errors.UndefinedTable: x".
EXCEPTION = re.compile(
    r"(?:Uncaught )?\(?(?:[A-Za-z_][\w$]*(?:\.|::))*"
    r"(?:[A-Z]\w*(?:Error|Exception|Fault)|[\w.]+\.errors\.[A-Z]\w+)\)?"
    r"(?:\s*[:(\[]|\s*\Z|(?<=\)) )"
    # Ruby names it at the end: "a.rb:1:in `f': undefined method (NoMethodError)".
    r"|\S{1,80}:\d+:in .{1,300} \((?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception)\)\s*\Z"
)

# Of a short text only: longer ones that begin so are texts on failing.
FAILING = re.compile(
    _any_of(
        *("failed to", r"failure\b", "unable to", r"can(?:not|'t| not)\b", r"could(?: not|n't)\b"),
        *(
            r"invalid\b",
            r"illegal\b",
            "malformed",
            "unrecognized",
            "unsupported",
            r"unexpected\b",
            r"no such\b",
        ),
        r"unknown "
        + _any_of(
            "action", "argument", "column", "command", "error", "field", "function", "key", "method", "option"
        )
        + r"\b",
        *(r"unknown (?:parameter|table|tool)\b", r"missing (?:argument|field|parameter|required|value)"),
        *("unauthorized", "forbidden", "(?:permission|access) denied", "operation not permitted"),
        r"not (?:allowed|authorized|implemented|permitted|supported)",
        r"(?:(?:call|command|connection|execution|operation|process|query|request|script|tool) )?timed? ?out",
        *("bad request", "too many requests", "rate limit(?:ed)? ", "internal server error", "bad gateway"),
        *("service unavailable", r"connection (?:aborted|closed|failed|refused|reset)"),
        *("command (?:failed|not found)", "execution (?:aborted|failed|halted)", "syntax error"),
        r"(?:action|branch|column|command|container|directory|element|endpoint|file|folder|function|image|library"
        r"|module|package|path|pattern|selector|string|symbol|table|tool) (?:[^\n]{1,80} )?"
        + _any_of(
            "does(?: not|n't) exist", "failed", "not found", "is not (?:a valid|available|defined|supported)"
        ),
        *(
            "you have an error in your sql",
            "division by zero",
            "ambiguous column",
            "duplicate (?:column|entry|key)",
        ),
        r"(?:command|operation|action|path|tool|access) (?:is )?not (?:allowed|permitted)\b",
        r"no (?:change|edit|replacement)s? (?:was|were) (?:applied|made|performed)",
        # What Python's exceptions say, where their class was left out.
        *(r"(?:list|string|tuple) index out of range", r"'\w+' object (?:has no attribute|is not \w+)"),
        *(r"name '\w+' is not defined", r"expecting (?:value|property name|',' delimiter)\b.*: line \d+"),
        *(r"\w+\(\) (?:takes|got|missing) ", "maximum recursion depth", r"object of type '\w+' has no"),
    ),
    re.I,
)

# Anywhere in the first line of a short text.
DATABASE = re.compile(
    _any_of(
        "you have an error in your sql syntax",
        *(r'near "[^"\n]*": syntax error', "syntax error at or near"),
        *("no such (?:table|column): ", r'(?:relation|column) "[^"\n]+" does not exist'),
        *(r"unknown column '[^'\n]+' in", r"table '[^'\n]+' doesn't exist"),
    ),
    re.I,
)

# Anywhere in a single, short line.
UNAVAILABLE = re.compile(
    _any_of(
        r"\b(?:api|command|database|endpoint|function|host|model|search|server|service|site|system|tools?)\b"
        r"[^\n]{0,60} (?:is|are) (?:currently |temporarily |now )*"
        r"(?:down|not available|offline|unavailable|unreachable)\b",
        r"\bconnection\b[^\n]{0,80}\b(?:was |were )?(?:closed|failed|refused|reset|timed out)\b",
        r"\b(?:permission|access)\b[^\n]{0,60}\bdenied\b",
        r"\bservice (?:is )?(?:temporarily )?unavailable\b",
        r"\b(?:call|calling|command|connection|download|execution|function|login) (?:\w+ ){0,2}failed\b",
        r"\b(?:operation|query|request|search|tool|upload) (?:\w+ ){0,2}failed\b",
        *(r"\bfailed with (?:an? )?(?:\w+ )?(?:code|error|exception)\b", r"\btransient failure\b"),
    ),
    re.I,
)

# One line of a shell, or of a program that it ran: `cat: x: No such file or directory`.
SHELL = re.compile(
    r"(?:[\w./+-]+|-?(?:/\S+/)?(?:ba|z|da|k|c|fi)?sh): "
    + _any_of(
        r".{0,300}"
        + _any_of(
            *(
                r"no such file(?: or directory)?\.?",
                "a password is required",
                "resource temporarily unavailable",
            ),
            *("permission denied", "(?:is|not) a directory", "file exists"),
            *(
                "operation not permitted",
                "(?:command )?not found",
                "read-only file system",
                "no such process",
            ),
            *(
                r"(?:illegal|invalid|unrecognized) option\b.*",
                "device or resource busy",
                "no space left on device",
            ),
            *(
                "too many arguments",
                "missing (?:file )?operand",
                "connection refused",
                "connection timed out",
            ),
            *(
                "name or service not known",
                r"could not resolve host\b.*",
                "broken pipe",
                "argument list too long",
            ),
            *(
                "text file busy",
                r"cannot execute\b.*",
                "directory not empty",
                "exec format error",
                "no such user",
            ),
            *("unexpected end of file", r"unexpected eof\b.*", r"syntax error\b.*", "unbound variable"),
            *("unary operator expected", "ambiguous redirect", "bad substitution", "not a valid identifier"),
            *(r"unknown (?:command|host|option|user)\b.*", "input/output error"),
        )
        + r"\s*\Z",
        *(
            "can(?:not|'t)",
            "unable to",
            "failed to",
            "missing",
            "invalid",
            "illegal",
            "unrecognized",
            "unknown",
        ),
        *(
            "no such",
            r"error\b",
            r"fatal\b",
            "extra operand",
            "bad ",
            r"expected\b",
            "could(?: not|n't)",
            "unexpected",
        ),
    ),
    re.I,
)

# "Can't Help Falling in Love is a song": a text on something that is called so.
TITLE = re.compile(
    r"[^:\n]{0,80}\b(?:is|was|are|were) (?:an?|the|one of)\b|(?:[Cc]an(?:'t|not)|[Cc]ould(?:n't| not)) [A-Z]"
)

# Words for nothing, in lower case, and the beginnings of a report that there is nothing: the words alone, not
# what it was about.
NOTHING = frozenset(
    {
        "none",
        "null",
        "nil",
        "undefined",
        "n/a",
        "nan",
        "[]",
        "{}",
        "()",
        "[[]]",
        "set()",
        '""',
        "''",
        "(empty)",
    }
    | {
        "no output",
        "(no output)",
        "<no output>",
        "[no output]",
        "no data",
        "no rows",
        "no content",
        "empty set",
    }
)
_THINGS = _any_of("results?", "rows?", "matches", "records", "documents", "entries", "hits", "files", "items")
EMPTY = re.compile(
    _any_of(
        r"empty (?:dataframe|list|response|result|series|set)\b",
        rf"\(?0 {_THINGS}\b",
        rf"no (?:\w+ ){{0,2}}(?:{_THINGS}|data|output)"
        r"(?: (?:were |was )?(?:available|found|matched|returned|to (?:display|show)))?\b(?=[^\n]{0,80}\Z)",
    ),
    re.I,
)

# `exit code: 2`, `[Process exited with code 2]`, `returned non-zero exit status 1.` at a line's end.
EXIT_CODE = re.compile(
    r"(?:\bexit(?:ed)?(?: with)?(?: (?:code|status))?|\bexit[ _]?(?:code|status)|\breturn ?code"
    r"|non-zero exit status)(?: (?:is|of|was))?\s*[:=]?\s*(-?\d+)\)?\]?\.?\s*\Z",
    re.I,
)

TRACEBACK = re.compile(r"^Traceback \(most recent call last\):|\A\s*File \"[^\"\n]+\", line \d+", re.M)
# The last line of one.
RAISED = re.compile(
    r"(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Exit|Fault|Interrupt|Iteration|NotFound|Warning)\b(?::|\Z)"
)

# White space, fences and words that only say that a result follows.
DECORATION = re.compile(
    _any_of(
        *(r"\s+", r"[│╷╵]", r"```\w*\n", r"[>$#]\s+(?=\w)", r"\u274c\s*", r"\u26a0\ufe0f?\s*"),
        r"\[(?:output|result|stderr|stdout)\]\s*",
        r"(?:(?:execution |tool )?(?:output|result)|observation|response|stderr|stdout)\s*"
        r"(?:\(stderr\))?:\s*",
        r"</?(?:observation|output|result|stderr|stdout|tool_result)>",
    ),
    re.I,
)
ERROR_TAG = re.compile(r"<(?:tool_use_error|error)>", re.I)
