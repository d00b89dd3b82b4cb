"""What programs print when they fail, and what only looks like it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.tool_result import Verdict, read_tool_result

TRACEBACK = """Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    main()
ValueError: no such column: price"""

# Result, and the line that tells.
ERRORS = {
    # Words in front.
    "a plain error": ("Error: User not found", "Error: User not found"),
    "of executing": ("Error executing query: Unknown column 'a' in 'field list'", None),
    "in capitals": ("ERROR - connection lost", None),
    "with a bad mark": ("❌ Failed to fetch the page", "Failed to fetch the page"),
    "an error that occurred": ("An unexpected error occurred while reading the file.", None),
    "an exception by its class": ("KeyError('price')", None),
    "a Java exception": ("java.lang.NullPointerException: null\n\tat a.b.C(C.java:3)", None),
    "a JavaScript error": ("Uncaught TypeError: x is not a function", None),
    "a Rust panic": ("thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds", None),
    "a Go panic": ("panic: runtime error: index out of range [3]", None),
    "a tool that is not there": ("Tool search_flights does not exist. Available tools: book", None),
    "a tool that is down": ("Tool 'read' is currently unavailable. Use 'tail' instead.", None),
    "a time-out": ("Command timed out after 30 seconds", None),
    "a file that was not found": ("File 'a.csv' not found.", None),
    "in a tag": ("<tool_use_error>File is not read.</tool_use_error>", "File is not read."),
    "behind a word for results": ("Observation: Error: division by zero", "Error: division by zero"),
    "in a fence": ("```\nError: no\n```", "Error: no"),
    "an argument that is missing": ("Missing required parameter: date", None),
    # Python.
    "a traceback": (TRACEBACK, "ValueError: no such column: price"),
    "a traceback behind what was printed": ("3 rows\n" + TRACEBACK, "ValueError: no such column: price"),
    "pandas": ("KeyError: \"['price'] not in index\"", None),
    "a syntax error": ("  File \"<string>\", line 1\n    x =\n       ^\nSyntaxError: invalid syntax", None),
    # Shells.
    "a command that is not there": ("bash: line 1: foo: command not found", None),
    "a command that is not there, of sh": ("/bin/sh: 1: foo: not found", None),
    "a file that is not there": ("cat: /etc/nope: No such file or directory", None),
    "a folder that may not be read": ("ls: cannot open directory '/root': Permission denied", None),
    "an option that is not known": ("grep: invalid option -- 'Q'\nusage: grep [-abc]", None),
    "git": ("fatal: not a git repository (or any of the parent directories): .git", None),
    "an exit code": ("hello\nexit code: 2", "hello"),
    "an exit status": ("make failed\n[Process exited with code 2]", "make failed"),
    "Python's words for one": ("Command 'false' returned non-zero exit status 1.", None),
    "a crash": ("Segmentation fault (core dumped)", None),
    "make": ("make: *** [Makefile:3: all] Error 1", None),
    "npm": ("npm ERR! code ENOENT\nnpm ERR! syscall open", "npm ERR! code ENOENT"),
    "curl": ("curl: (6) Could not resolve host: example.invalid", None),
    # Compilers.
    "C": ("main.c:3:5: error: expected ';' before 'return'", None),
    "Rust": ("error[E0308]: mismatched types\n --> src/main.rs:2:5", None),
    "TypeScript": ("src/a.ts(3,5): error TS2304: Cannot find name 'x'.", None),
    "Go": ("./main.go:5:2: undefined: x", None),
    "C#": ("Program.cs(1,1): error CS1002: ; expected", None),
    "Ruby": ("a.rb:1:in `f': undefined method `g' for nil (NoMethodError)", None),
    "PHP": ("PHP Fatal error:  Uncaught Error: Call to undefined function f()", None),
    "Terraform": ("│ Error: Invalid reference\n│ \n│   on main.tf line 3", "Error: Invalid reference"),
    # What is left of an exception, and other ways of saying no.
    "an exception's text alone": ("list index out of range", None),
    "an errno": ("[Errno 13] Permission denied: '/root/x'", None),
    "another language": ("Fehler: Datei nicht gefunden", None),
    "a browser": ("net::ERR_NAME_NOT_RESOLVED at https://x.invalid", None),
    "an element of a page": ("Element with selector '#buy' not found", None),
    "an edit that was not made": ("String to replace not found in file.\nString: foo", None),
    "a user who said no": ("Permission to run this command was denied by the user.", None),
    "a server that refuses": ("The connection to the server localhost:1 was refused", None),
    "output and errors, labelled": ("stdout:\n\nstderr:\nls: cannot access 'x': No such file", None),
    # SQL.
    "Snowflake": ("001003 (42000): SQL compilation error:\nsyntax error line 1", None),
    "MySQL": ("ERROR 1064 (42000): You have an error in your SQL syntax", None),
    "PostgreSQL": ('ERROR:  relation "users" does not exist\nLINE 1: select', None),
    "SQLite": ('near "FORM": syntax error', None),
    "SQLite's column": ("no such column: price", None),
    "Oracle": ("ORA-00942: table or view does not exist", None),
    "a driver": ("psycopg2.errors.UndefinedTable: relation", None),
    "a driver's class": ("(sqlite3.OperationalError) no such table: users", None),
    # HTTP.
    "a status line": ("HTTP/1.1 503 Service Unavailable", None),
    "a status in words": ("404 Not Found", None),
    "a client's words": ("Request failed with status code 429", None),
    "requests": ("403 Client Error: Forbidden for url: http://example.invalid", None),
    # JSON.
    "an error in JSON": ('{"error": "no such user"}', "no such user"),
    "an error that is an object": ('{"error": {"code": 404, "message": "gone"}}', "gone"),
    "a code beside a message": ('{"code": 404, "message": "no customer"}', "no customer"),
    "JSON-RPC": ('{"jsonrpc": "2.0", "error": {"code": -3, "message": "Invalid params"}}', "Invalid params"),
    "GraphQL": ('{"data": null, "errors": [{"message": "Cannot query field"}]}', "Cannot query field"),
    "MCP's flag": ('{"content": [{"type": "text", "text": "no seats"}], "isError": true}', "no seats"),
    "no success": ('{"success": false, "message": "card declined"}', "card declined"),
    "a status of JSON": ('{"status": "error", "detail": "bad"}', "bad"),
    "a status code": ('{"statusCode": 500, "body": ""}', None),
    "a problem detail": ('{"type": "about:blank", "title": "Not Found", "status": 404}', "Not Found"),
    "an exit code in JSON": ('{"stdout": "", "stderr": "no space", "exit_code": 1}', "no space"),
    "text in parts": ('[{"type": "text", "text": "Error: no"}]', "Error: no"),
    "a text in JSON": ('"Error: no"', "Error: no"),
    "a wrapped text": ('{"result": "Error: no"}', "Error: no"),
}  # fmt: skip

ANSWERS = {
    "a sentence": "The flight leaves at nine.",
    "what was not found, said as an answer": "user not found in the list of guests",
    "a flight that is not to be had": "Flight HAT001 on 2024-05-15 is not available",
    "tests that failed, as they ran": "3 failed, 12 passed in 0.5s",
    "a listing with a log of errors": "-rw-r--r-- 1 root root 5 error.log",
    "a build without errors": "Build succeeded.\n    0 Error(s)",
    "an article on errors": "Error handling in Go: a guide\n\nErrors in Go are values ...",
    "a song": "Can't Help Falling in Love is a song recorded by Elvis Presley.",
    "a palace": "Forbidden City is a palace complex in Beijing.",
    "a film": "Timeout is a 2011 film.",
    "a code that is explained": "Error code 404 is a status of HTTP.",
    "search results that speak of errors": "1. How to fix KeyError in pandas\n2. ValueError: explained",
    "a log with errors in it": "10:00 start\n10:01 ERROR disk full\n10:02 stop",
    "code that raises": "def f():\n    raise ValueError('no')",
    "a file with a traceback, numbered": "  1\tTraceback (most recent call last):\n  2\tValueError: no",
    "a search whose exit code is 0": "a.py:3: raise Error('x')\nexit code: 0",
    "an error that is printed and exits 0": "Error: seen\n[exit code: 0]",
    "find, with one complaint": "find: '/proc/1': Permission denied\n/a\n/b\n/c",
    "JSON without an error": '{"error": null, "rows": [1]}',
    "JSON with no errors": '{"errors": [], "ok": true, "n": 3}',
    "a count of errors": '{"errors": 0, "warnings": 2}',
    "an exit code of 0 with words on stderr": '{"stdout": "x", "stderr": "warning: old", "exit_code": 0}',
    "a status that is none": '{"status": "delivered", "id": 4}',
    "results of which one is an error": '[{"error": "x"}, {"id": 1}]',
    "a word that ends like one": "default: 5",
    "a number": "0",
    "a JSON number": "42",
    "false": "false",
    "a text that only begins like JSON": "[note] all is well",
    "a row of a database": "[(1, 'Error', 'failed')]",
    "a table with a column for errors": "| error | count |\n|---|---|\n| 404 | 3 |",
    "a long text on failing": "Failed to understand why? " + "This chapter explains it. " * 100,
}

EMPTIES = {
    "nothing": "",
    "white space": " \n ",
    "None": "None",
    "null": "null",
    "a list": "[]",
    "an object": "{}",
    "an empty text in JSON": '""',
    "pandas": "Empty DataFrame\nColumns: [date, price]\nIndex: []",
    "no rows": "0 rows",
    "psql": "(0 rows)",
    "MySQL": "Empty set (0.00 sec)",
    "nothing found": "No results found for 'blue widgets'.",
    "no documents": "No matching documents were found.",
    "rows in JSON": '{"rows": [], "total": 0, "query": "x"}',
    "a wrapped list": '{"result": []}',
    "empty parts": '[{"type": "text", "text": ""}]',
}


@pytest.mark.parametrize(("text", "message"), ERRORS.values(), ids=ERRORS)
def test_an_error(text, message):
    read = read_tool_result(text)
    assert read.verdict is Verdict.ERROR
    assert read.message
    if message is not None:
        assert read.message == message


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_an_answer(text):
    assert read_tool_result(text).verdict is Verdict.ANSWER


@pytest.mark.parametrize("text", EMPTIES.values(), ids=EMPTIES)
def test_nothing(text):
    assert read_tool_result(text).verdict is Verdict.EMPTY


@pytest.mark.parametrize("text", ["all is well", "", *ANSWERS.values()])
def test_the_formats_own_flag_is_believed(text):
    assert read_tool_result(text, is_error=True).verdict is Verdict.ERROR


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "result", "content", "text", "status", "exit_code", "a"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.text() | _JSON.map(json.dumps), st.booleans())
def test_any_text_is_read(text, flag):
    read = read_tool_result(text, is_error=flag)
    assert (read.verdict is Verdict.ERROR) >= flag
    assert len(read.message) <= 300
    assert "\n" not in read.message
