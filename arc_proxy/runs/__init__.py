"""
Which run, session and agent a call belongs to, and how we know. No I/O.

What an exchange says in so many words (`said.read_claims`), rule by rule, the strongest first:

    rule          source                                      fills                        joins  separates
    header        x-arc-*                                     all levels, tags             yes    yes
    prefix        /run/, /session/, /agent/ before the path   run, session, agent          yes    yes
    claude_code   its headers, its metadata.user_id           run, session, parent         yes    yes
    codex         its headers, client_metadata, cache key     run, session, parent         yes    yes
    opencode      its headers                                 run, session, parent         yes    yes
    hermes        its headers                                 run, session                 yes    yes
    dynamo        its headers                                 run, session, parent         yes    yes
    baggage       session.id, gen_ai.*, langfuse.* ...        session, user, agent, tags   yes    no
    traceparent   its trace id                                run                          yes    no
    helicone      headers                                     run, session, parent, agent, user, version, tags
    portkey       headers                                     run, user, tags              yes    no
    litellm       headers, litellm_* in the body              run, session, agent, user, tags
    langfuse      headers                                     run, session, agent, user, version, tags
    bifrost       headers                                     session, tags                yes    no
    openrouter    x-title; session_id, trace in the body      run, session, agent, tags    yes    no
    langwatch     headers                                     run, session, user, tags     yes    no
    agentweave    headers                                     run, session, parent, agent, tags
    cloudflare    cf-aig-metadata                             tags
    llmtrace, archestra, merge, tapes, agent_name             run, session, agent          yes    no
    tensorzero    tensorzero::* in the body                   run, tags                    yes    no
    metadata      metadata in the body                        run, session, agent, user, tags
    user          user, safety_identifier, metadata.user_id   user                         no     no
    session       x-...-session-id and the like               session                      yes    no

Rows without the two words join and do not separate. It is runs and sessions that join, and (for the first two
rules agents too) that separate; parents, users and versions say of a run what they say and place no call.

A claim's value is the id or name itself for agents, sessions, users and versions, and for runs and parents of
the first two rules. Other runs have an inferred id, and the value is a key, unique within its rule. The value
of a parent is the key of its run claim by the same rule; of AgentWeave, whose sessions have parents, that of
its session claim.

How much of it is forwarded is in `arc_proxy.foreign`.
"""

# Of the rules by which calls are grouped. `arc-proxy db regroup` begins anew where it has changed.
GROUPING_VERSION = 2
