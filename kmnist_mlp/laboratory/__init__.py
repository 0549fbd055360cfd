"""Looking inside networks, and training them, from a notebook."""
