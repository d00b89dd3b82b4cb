"""Bedrock behind the proxy: whether it signs, where programs find it, and what `doctor` sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arc_proxy.cli.checks import Check, State
from arc_proxy.cli.instance import Instance, running_config
from arc_proxy.cli.variables import BEARER
from arc_proxy.errors import ArcError


def is_signing(instance: Instance) -> bool:
    """Whether the running proxy was started so."""
    try:
        return bool(running_config(instance)["gateway"].get("bedrock"))
    except ArcError:
        return False


def check_bedrock(environ: Mapping[str, str]) -> Iterator[Check]:
    """Could requests be signed with what this shell has, and would they come?"""
    from arc_proxy.gateway.aws_credentials import INSTALL, CredentialChain, NoCredentials, is_installed

    if not is_installed():
        yield Check("bedrock", State.BAD, "is on, but botocore is not installed", INSTALL)
        return
    try:
        found = CredentialChain().find()
    except NoCredentials as error:
        cure = "aws sso login, aws configure, or AWS_PROFILE; or take bedrock out of the settings"
        yield Check("bedrock", State.BAD, f"is on, but cannot sign: {error}", cure)
        return
    kind = "temporary credentials" if found.session_token else "credentials"
    yield Check("bedrock", State.OK, f"signs with the {kind} that end in {found.access_key_id[-4:]}")
    if environ.get(BEARER):
        yield Check(
            BEARER,
            State.WARN,
            "is set, and new versions of boto3 send it over HTTPS alone: not through here",
            f"unset {BEARER}, and the proxy signs instead",
        )
