"""Receipts: what is true of a payment at a date, signed, on a page, in a PDF, and to be checked."""
