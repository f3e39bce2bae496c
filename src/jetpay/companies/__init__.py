"""Companies: who pays; their API tokens, members and security question."""
