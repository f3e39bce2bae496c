"""PostgreSQL: the embedded server, the pool, transactions, statements and migrations."""
