"""Which run, session and agent a call belongs to, and how we know. No I/O."""
