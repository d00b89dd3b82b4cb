"""From the journal's records to the store's rows: assemble, normalise, and the worker that drives both."""
