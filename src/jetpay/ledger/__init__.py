"""The double-entry record of where the money is."""
