"""Where prices come from: one reader per source, for `pricing.compile` alone."""
