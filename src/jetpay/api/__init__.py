"""The JSON API: each call parses, runs one action and presents."""
