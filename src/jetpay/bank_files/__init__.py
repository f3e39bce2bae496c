"""Bank files: what is handed to the bank, and what the bank says about it."""
