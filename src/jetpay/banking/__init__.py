"""Ring 0: the numbers of bank accounts, one file per country, each with the same functions."""
