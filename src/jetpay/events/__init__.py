"""Events: one fact each about a company's things, numbered without a gap."""
