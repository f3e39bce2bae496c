"""Bank accounts: of the company, which money comes from, and of contacts, which it goes to."""
