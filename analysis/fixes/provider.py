"""
Fixes of a provider's errors: keys, limits, load, the way to it. Pure.

Sources: https://platform.openai.com/docs/guides/error-codes, https://docs.claude.com/en/api/errors,
https://ai.google.dev/gemini-api/docs/troubleshooting, https://platform.openai.com/docs/guides/rate-limits,
https://docs.claude.com/en/api/rate-limits
"""

from __future__ import annotations

import re

from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.guard import CAP_RESULT, guard
from analysis.fixes.history import trim
from analysis.fixes.idiom import Idiom, idiom_of, language_of
from analysis.fixes.observed import Observed
from analysis.fixes.quote import identifier, name, plain, shell_word
from analysis.fixes.settings import fallback, retries_line, timeout_line
from analysis.fixes.vendor import vendor, vendor_name

_LONG_S = 600
_PROMPT_SHARE = 0.7  # of a window, at which older results make room: the answer needs some too
_WINDOW = 128_000  # of most models; where the real one was not seen
_TOKENS = re.compile(r"\d[\d,_]{2,}")


def auth(observed: Observed) -> Remedy:
    known, who = vendor(observed), vendor_name(observed)
    key, status = observed.fact("key"), observed.fact("status")
    variable = known.key if known else identifier(f"{observed.provider.upper()}_API_KEY", "API_KEY")
    which = f"the key {key}" if key else "the key"
    answer = f" (HTTP {status})" if status else ""
    lacks = re.search(r"permission|scope|access|403|not allowed|forbidden", f"{observed.seen} {status}", re.I)
    why = (
        f"{who} knows the key, but it may not do this: the project, the scope or the model is not open to it"
        if lacks
        else f"{who} does not know the key: it is wrong, revoked, of another provider, or not set"
    )
    return Remedy(
        title=f"{who} refuses {which}{answer}",
        what=f"{who} refused {which}{answer}, {observed.times}{observed.saying}.",
        why=f"{why}. Retrying cannot help.",
        advice=f"Check {variable} where the agent runs, and that the key may use {_model(observed)}.",
        guard=_key_check(observed, variable),
        check=f"no provider.auth in the next {watched_runs(observed)} runs; the first call answers 200",
    )


def _key_check(observed: Observed, variable: str) -> Snippet:
    known, key = vendor(observed), observed.fact("key")
    header = (known.header if known else "Authorization: Bearer $KEY").replace("$KEY", f"${variable}")
    host = re.sub(r"[^\w.:\-\[\]]", "", observed.fact("host"))
    address = (
        known.models if known else f"https://{host}/v1/models" if host else "https://YOUR-PROVIDER/v1/models"
    )
    tail = key[-4:] if key else ""
    ends = f"the refused key ends in {shell_word(tail)}" if tail else "is it the key that you mean?"
    return Snippet(
        f"""\
# In the environment of the agent, not in your own shell:
printf '%s' "${variable}" | tail -c 4   # {ends}
# 200: the key is good; 401: not known; 403: known, but without access
curl -s -o /dev/null -w '%{{http_code}}\\n' {address} \\
  -H "{header}"{_version(observed)}""",
        "sh",
    )


def _version(observed: Observed) -> str:
    is_anthropic = observed.provider.strip().lower() == "anthropic"
    return ' \\\n  -H "anthropic-version: 2023-06-01"' if is_anthropic else ""


def quota_exhausted(observed: Observed) -> Remedy:
    known, who = vendor(observed), vendor_name(observed)
    page = f" at {known.billing}" if known else ""
    key = observed.fact("key")
    account = f"the account of the key {key}" if key else "the account"
    return Remedy(
        title=f"{who}: no credit left; retries are useless",
        what=f"{who} refused calls {observed.times}{observed.saying}.",
        why=f"{account[0].upper()}{account[1:]} has used up its credit or its monthly budget. It comes as "
        "a 429 or 402 like a rate limit, but does not pass, so that each retry only delays the failure.",
        advice=f"Add credit or raise the budget{page}, and stop instead of retrying on this error.",
        guard=_stop_when_broke(observed, known.billing if known else "the provider's billing page"),
        check=f"no provider.quota_exhausted in the next {watched_runs(observed)} runs",
    )


def _stop_when_broke(observed: Observed, page: str) -> Snippet:
    idiom = idiom_of(observed)
    if language_of(idiom) == "typescript":
        return Snippet(
            f"""\
// Add credit: {page}
const OUT_OF_CREDIT = /insufficient_quota|credit balance|billing/i;

try {{
  result = await run(agent);
}} catch (error) {{
  if (OUT_OF_CREDIT.test(String(error))) process.exit(1); // no retry helps
  throw error;
}}""",
            "typescript",
        )
    return Snippet(
        f"""\
# Add credit: {page}
import re

OUT_OF_CREDIT = re.compile("insufficient_quota|credit balance|billing", re.I)


def stop_when_broke(run, *args, **kwargs):
    try:
        return run(*args, **kwargs)
    except Exception as error:
        if OUT_OF_CREDIT.search(str(error)):
            raise SystemExit(f"out of credit, no retry helps: {{error}}") from error
        raise"""
    )


def rate_limited(observed: Observed) -> Remedy:
    known, who = vendor(observed), vendor_name(observed)
    wait, limit = observed.fact("retry_after"), observed.fact("limit")
    asked = f" It asked to wait {wait} s." if wait else ""
    at_once = observed.number("concurrency")
    together = f" Up to {at_once} calls were open at once." if at_once else ""
    own = f" ({limit})" if limit else ""
    page = f" Your limits: {known.limits}." if known else ""
    lanes = max((at_once or 8) // 2, 1)
    return Remedy(
        title=f"{who} limits the rate of {_model(observed)}{own}: wait as told, and send fewer at once",
        what=f"{who} answered 429, {observed.times}{observed.saying}.{asked}{together}",
        why=f"The calls come faster than the limit{own} of the account allows. Most SDKs retry twice "
        f"and give up, which is too short for a limit per minute.{page}",
        advice=f"Retry up to 6 times, after what retry-after says, and have at most {lanes} calls open.",
        guard=retries_line(observed, 6),
        patch=_lanes(observed, lanes),
        check=f"in the next {watched_runs(observed)} runs every 429 is followed by an attempt that succeeds",
    )


def _lanes(observed: Observed, lanes: int) -> Snippet:
    """Retries, and a bound on how many calls are open at once."""
    retries = retries_line(observed, 6)
    if retries.language == "typescript":
        bound = f"""\
const CALLS_AT_ONCE = {lanes};
let open = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(call: () => Promise<T>): Promise<T> {{
  if (open >= CALLS_AT_ONCE) await new Promise<void>((go) => waiting.push(go));
  else open++;
  try {{
    return await call();
  }} finally {{
    const next = waiting.shift();
    if (next) next();
    else open--;
  }}
}}"""
        return Snippet(f"{retries.text}\n\n{bound}", "typescript")
    match idiom_of(observed):
        case Idiom.PYDANTIC_AI:
            line = f"agent = Agent(..., model_settings=ModelSettings(max_retries=6), max_concurrency={lanes})"
            imports = "from pydantic_ai import Agent\nfrom pydantic_ai.settings import ModelSettings"
            return Snippet(f"{imports}\n\n{line}")
        case Idiom.CREWAI:
            rpm = "agent = Agent(..., max_rpm=30)  # requests a minute, below your limit"
            return Snippet(f"{retries.text.replace('import LLM', 'import LLM, Agent')}\n{rpm}")
        case Idiom.LANGCHAIN:
            batch = f'results = agent.batch(inputs, config={{"max_concurrency": {lanes}}})'
            return Snippet(f"{retries.text}\n{batch}")
    bound = f"""\
CALLS = asyncio.Semaphore({lanes})  # calls open at once, of all runs; with threads: threading.Semaphore


async def in_turn(call, *args, **kwargs):
    async with CALLS:
        return await call(*args, **kwargs)"""
    return Snippet(f"import asyncio\n\n{retries.text}\n\n{bound}")


def overloaded(observed: Observed) -> Remedy:
    who = vendor_name(observed)
    return Remedy(
        title=f"{who} has no room for {_model(observed)}: retry, then ask a second model",
        what=f"{who} said that it is overloaded {observed.times}{observed.saying}.",
        why=f"It is load on {who}'s side, for seconds to minutes{_status_page(observed)}. Your request is "
        "fine. The SDK's two retries end within some seconds.",
        advice="Retry 4 times with backoff, and then ask a second model, of another provider if you can.",
        guard=retries_line(observed),
        patch=fallback(observed),
        check=f"in the next {watched_runs(observed)} runs every overload is followed by a call that succeeds",
    )


def server_error(observed: Observed) -> Remedy:
    who, status = vendor_name(observed), observed.fact("status")
    answered = f"answered {status}" if status else "failed"
    request = observed.fact("request_id")
    quote = f" Quote {request} to its support." if request else ""
    return Remedy(
        title=f"{who} {answered} for {_model(observed)}: retry with backoff",
        what=f"{who} {answered}, {observed.times}{observed.saying}.{quote}",
        why=f"It is an error inside {who}{_status_page(observed)}. If it comes with one request alone, and "
        "every time, that request has something in it that the server cannot take: compare it with one "
        "that worked.",
        advice="Retry 4 times with backoff, and then ask a second model.",
        guard=retries_line(observed),
        patch=fallback(observed),
        check=f"in the next {watched_runs(observed)} runs every such error is followed by a call that "
        "succeeds",
    )


def connection(observed: Observed) -> Remedy:
    who, host = vendor_name(observed), observed.fact("host")
    where = host or f"{who}'s host"
    title, why, advice, is_lasting = _connection_cause(observed, where)
    return Remedy(
        title=title,
        what=f"No answer came from {where}, {observed.times}{observed.saying}.",
        why=why,
        advice=advice,
        guard=_way_check(observed) if is_lasting else retries_line(observed),
        patch=_way_check(observed) if is_lasting else fallback(observed),
        check=f"no provider.connection in the next {watched_runs(observed)} runs",
    )


def _connection_cause(observed: Observed, where: str) -> tuple[str, str, str, bool]:
    """Title, why and advice, and whether it stays so until somebody changes a setting."""
    said = observed.seen
    if re.search(r"name or service|getaddrinfo|ENOTFOUND|name resolution|nodename|dns", said, re.I):
        return (
            f"{where} has no address where the proxy runs",
            (
                f"The name {where} could not be resolved: a typing error in the base URL, or no DNS in this "
                "network."
            ),
            "Resolve the name on that machine, and correct the base URL.",
            True,
        )
    if re.search(r"certificate|ssl|tls|handshake", said, re.I):
        return (
            f"The certificate of {where} is not accepted",
            "TLS failed: an intercepting company proxy, an out-of-date certificate store, or a wrong clock.",
            "Look who signed the certificate; give the signer's file in SSL_CERT_FILE.",
            True,
        )
    if re.search(r"refused|ECONNREFUSED", said, re.I):
        return (
            f"Nothing listens at {where}",
            (
                "The connection was refused: the server is not up, listens on another port, or only on its "
                "own loopback address (in a container, localhost is the container)."
            ),
            "Start the server, and check host and port of the base URL from where the agent runs.",
            True,
        )
    return (
        f"The connection to {where} broke before an answer",
        (
            "It was reset or closed on the way: an idle connection that the other side dropped, a proxy's "
            "timeout, or an outage. Asking again is safe, as no answer was begun."
        ),
        "Retry with backoff; a kept connection that is too old is replaced by the first retry.",
        False,
    )


def _way_check(observed: Observed) -> Snippet:
    """Where the way ends, as seen from the machine that the agent's calls leave."""
    host = re.sub(r"[^\w.:\-\[\]]", "", observed.fact("host"))
    known = vendor(observed)
    if not host and known:
        host = re.sub(r"^https://|/.*$", "", known.models)
    bare, scheme = re.sub(r":\d+$", "", host) or "YOUR-PROVIDER", "https"
    if re.match(r"localhost|127\.|\[::1|10\.|192\.168\.", host):
        scheme = "http"
    return Snippet(
        f"""\
getent hosts {bare}   # no line: the name has no address here
curl -sv --max-time 10 {scheme}://{host or bare}/ -o /dev/null   # refused, TLS, or an answer?""",
        "sh",
    )


def timeout(observed: Observed) -> Remedy:
    who = vendor_name(observed)
    limit, p99 = observed.number("timeout"), observed.number("p99_duration")
    seconds = min(max(2 * (p99 or limit or 0), 60), _LONG_S) if p99 or limit else _LONG_S
    gave_up = f" after {limit} s" if limit else ""
    usual = f" 99 of 100 calls that went well took up to {p99} s." if p99 else ""
    return Remedy(
        title=f"{_model(observed)} is given up{gave_up}: wait {seconds} s, or stream the answer",
        what=f"Calls to {who} timed out{gave_up}, {observed.times}{observed.saying}.{usual}",
        why="A long answer, or one with much reasoning, sends nothing until it is done, so that a "
        "deadline for the whole answer cuts good ones. Streamed, it sends from the beginning on.",
        advice=f"Wait {seconds} s for an answer, and stream those that take longer.",
        guard=timeout_line(observed, seconds),
        patch=_wait_and_retry(observed, seconds),
        check=f"no provider.timeout in the next {watched_runs(observed)} runs",
    )


def _wait_and_retry(observed: Observed, seconds: int) -> Snippet:
    wait = timeout_line(observed, seconds)
    streamed = {
        Idiom.OPENAI_CHAT: """\
with client.chat.completions.stream(...) as stream:
    response = stream.get_final_completion()""",
        Idiom.OPENAI_RESPONSES: """\
with client.responses.stream(...) as stream:
    response = stream.get_final_response()""",
        Idiom.ANTHROPIC: """\
with client.messages.stream(...) as stream:
    message = stream.get_final_message()""",
        Idiom.GOOGLE: """\
stream = client.models.generate_content_stream(model=model, contents=contents, config=config)
text = "".join(chunk.text or "" for chunk in stream)""",
        Idiom.LANGCHAIN: 'for chunk in agent.stream(inputs, stream_mode="messages"):\n    ...',
        Idiom.VERCEL: "const { textStream } = streamText(options); // sends from the first token on",
        Idiom.ANTHROPIC_NODE: "const message = await client.messages.stream(request).finalMessage();",
        Idiom.OPENAI_NODE: "const stream = await client.chat.completions.create({ ...r, stream: true });",
    }.get(idiom_of(observed), "")
    if not streamed:
        return wait
    return Snippet(f"{wait.text}\n\n{streamed}", wait.language)


def context_overflow(observed: Observed) -> Remedy:
    window, prompt = _window_and_prompt(observed)
    largest, its_tokens = observed.fact("largest_tool"), observed.number("largest_tool_tokens")
    size = f" of {prompt:,} tokens" if prompt else ""
    fits = f" of {window:,}" if window else ""
    most = (
        f" The results of {name(largest)} take up {its_tokens:,} of them." if largest and its_tokens else ""
    )
    trigger = round((window or _WINDOW) * _PROMPT_SHARE)
    told = "" if window else " (for a window of 128,000; set it to 70 % of yours)"
    capped = largest or (observed.subject if observed.subject != observed.provider else "")
    characters = max((window or _WINDOW) // 20, 1000) * 4
    whose = name(capped) or "the tool with the longest results"
    return Remedy(
        title=f"The prompt{size} is over {_model(observed)}'s window{fits}: make room from {trigger:,} on",
        what=f"A prompt{size} did not fit into the window{fits}, {observed.times}{observed.saying}.{most}",
        why="Every step sends the whole conversation again, and tool results stay in it: without a bound "
        "it grows until it does not fit. A retry sends the same prompt.",
        advice=f"Cap what {whose} returns at {characters:,} characters, and drop old results from "
        f"{trigger:,} tokens on{told}.",
        guard=guard(CAP_RESULT, observed, number=characters, tool=capped or "your_tool"),
        patch=trim(observed, trigger),
        check=f"no prompt of more than {trigger * 5 // 4:,} tokens in the next {watched_runs(observed)} runs",
    )


def _window_and_prompt(observed: Observed) -> tuple[int | None, int | None]:
    """From the facts, else the two numbers of a message like "prompt is too long: 215000 tokens > 200000"."""
    window, prompt = observed.number("window"), observed.number("prompt_tokens")
    if window and prompt:
        return window, prompt
    numbers = [int(re.sub(r"\D", "", each)[:12]) for each in _TOKENS.findall(observed.message[:1000])]
    large = [each for each in numbers if 1000 <= each < 10**9]
    if len(large) >= 2 and min(large[:2]) < max(large[:2]):
        return window or min(large[:2]), prompt or max(large[:2])
    return window or (large[0] if large else None), prompt


def _model(observed: Observed) -> str:
    return name(observed.model) or "the model"


def _status_page(observed: Observed) -> str:
    known = vendor(observed)
    return f" ({plain(known.status)})" if known else ""
