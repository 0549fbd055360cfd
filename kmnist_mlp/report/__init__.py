"""From notebooks to pages: what notebooks call, their execution, and the export."""
