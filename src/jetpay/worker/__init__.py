"""Does what is due: many workers at once, each piece of work by one of them at a time."""
