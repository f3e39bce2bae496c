"""The bank in the box: a simulated bank that reads our files, and a clock to turn."""
