"""Payouts by link, self-hosted."""

__version__ = "0.1.0"
