"""Ring 0: money, time, identifiers, refusals and text; pure, without input or output."""
