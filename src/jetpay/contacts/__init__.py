"""Contacts: who is paid."""
