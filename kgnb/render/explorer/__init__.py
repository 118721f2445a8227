"""A book to walk through: one offline page with everybody in it, as a reader of any chapter knows them."""
