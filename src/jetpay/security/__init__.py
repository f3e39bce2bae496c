"""Keys, sealing, tokens and everything else that keeps a secret a secret (ring 1)."""
