"""The time of an epoch beside that of its matrix products and of other libraries (`make bench`)."""
