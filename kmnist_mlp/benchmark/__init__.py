"""The time of an epoch, compared with that of its matrix products and with other libraries."""
