"""Credits: one payment each from a company to a contact, from request to settlement."""
