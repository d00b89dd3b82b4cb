"""The sample agents against the provider, without a proxy: they run, and fail where they are meant to."""

from __future__ import annotations

import pytest

from arc_proxy.demo import agents
from arc_proxy.demo.serving import provider_in_a_thread


@pytest.fixture(scope="module")
def client():
    with provider_in_a_thread() as url:
        # Without the proxy nothing takes the provider's name off the path.
        yield ProviderClient(url)


class ProviderClient(agents.Client):
    def __init__(self, url: str) -> None:
        super().__init__(url, dict)

    def stream(self, path, body):
        return super().stream(path.removeprefix("/openai").removeprefix("/anthropic"), body)


def test_finance_uses_its_tools_and_answers(client):
    assert agents.FinanceAgent(client).run("How did travel do in quarter 1?").endswith(".")


def test_finance_has_a_bug(client):
    with pytest.raises(KeyError, match="marketing"):
        agents.FinanceAgent(client).run("How much did marketing cost us?")


def test_support_streams(client):
    assert agents.SupportAgent(client).run("Where is my order 1041?").endswith(".")


def test_a_rate_limit_is_tried_again(client):
    assert agents.SupportAgent(client).run("Can I return a signed copy? [429]")


def test_an_outage_is_given_up(client):
    with pytest.raises(agents.ProviderError, match="500"):
        agents.SupportAgent(client).run("Do you ship on Sundays? [500]")


def test_research_asks_three_services(client):
    assert agents.ResearchAgent(client).run("What is known about ferns?")
