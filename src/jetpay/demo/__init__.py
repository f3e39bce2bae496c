"""A whole payout, played over real HTTP on a throw-away database."""
