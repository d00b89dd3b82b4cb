"""
This machine's AWS credentials, as botocore finds them: variables, profiles, SSO, containers, instances.

To find them may read files, run programs and ask services, so it happens in a thread, and what was found
serves for a minute. botocore renews temporary ones a quarter of an hour before they expire; others are looked
for anew each time, as the files they stand in may have changed.

Source: https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import Callable
from typing import Any

from arc_proxy.errors import ArcError
from arc_proxy.gateway.sigv4 import Credentials

INSTALL = "pip install 'arc-proxy[bedrock]'"

FOUND_FOR_S = 60.0
# So that calls that are repeated do not wait for the machine's metadata service each time.
MISSED_FOR_S = 5.0
FIND_S_MAX = 30.0


class NoCredentials(ArcError):
    """There are none, or they cannot be had: why, and what to do."""


class CredentialChain:
    """Asks botocore. Blocks; one thread at a time."""

    def __init__(self) -> None:
        self._renewable: Any = None  # botocore's own, which asks again when it has to

    def find(self) -> Credentials:
        """Raises NoCredentials."""
        try:
            import botocore.exceptions
            import botocore.session
        except ImportError:
            raise NoCredentials(f"botocore is not installed: {INSTALL}") from None
        # It logs what went wrong with a traceback, which may quote what a program of the user's printed.
        logging.getLogger("botocore").setLevel(logging.CRITICAL)
        held, self._renewable = self._renewable, None
        try:
            found = held or botocore.session.Session().get_credentials()
            frozen = None if found is None else found.get_frozen_credentials()
        except botocore.exceptions.CredentialRetrievalError as error:
            provider = error.kwargs.get("provider", "a provider")
            raise NoCredentials(f"{provider} did not give the AWS credentials that it is asked for") from None
        except botocore.exceptions.BotoCoreError as error:
            raise NoCredentials(str(error)) from None
        except Exception as error:  # noqa: BLE001 - other people's programs and files, in any state
            raise NoCredentials(f"the AWS credentials cannot be read: {type(error).__name__}") from None
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise NoCredentials("there are no AWS credentials on this machine")
        if hasattr(found, "refresh_needed"):
            self._renewable = found
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


class AwsCredentials:
    """What a `CredentialChain` finds, remembered; for one event loop. `clock` is in seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._chain = CredentialChain()
        self._answer: Credentials | NoCredentials | None = None
        self._answer_until = 0.0
        self._finding: asyncio.Task[Credentials | NoCredentials] | None = None

    def look(self) -> asyncio.Task[Credentials | NoCredentials]:
        """Begin to look for them, unless somebody has: before the first call has to wait for it."""
        if self._finding is None:
            self._finding = self._loop.create_task(self._find())
        return self._finding

    async def get(self) -> Credentials:
        """Raises NoCredentials."""
        answer = self._answer
        if answer is None or self._clock() >= self._answer_until:
            try:
                async with asyncio.timeout(FIND_S_MAX):
                    # Others wait for it too: who gives up does not end it.
                    answer = await asyncio.shield(self.look())
            except TimeoutError:
                raise NoCredentials(f"no AWS credentials were found within {FIND_S_MAX:g} s") from None
        if isinstance(answer, NoCredentials):
            raise NoCredentials(str(answer))
        return answer

    def close(self) -> None:
        if self._finding is not None:
            self._finding.cancel()

    async def _find(self) -> Credentials | NoCredentials:
        answer: Credentials | NoCredentials
        try:
            answer = await self._loop.run_in_executor(None, self._chain.find)
        except NoCredentials as error:
            answer = error
        self._answer = answer
        self._answer_until = self._clock() + (
            FOUND_FOR_S if isinstance(answer, Credentials) else MISSED_FOR_S
        )
        self._finding = None
        return answer


def is_installed() -> bool:
    """Whether botocore is there, without loading it."""
    return importlib.util.find_spec("botocore") is not None
