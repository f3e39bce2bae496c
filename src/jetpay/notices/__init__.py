"""Mails to payees and members: planned from events, made when they are sent."""
