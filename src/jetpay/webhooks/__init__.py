"""Webhooks: a company's events, pushed to its address in order; fed by events alone."""
