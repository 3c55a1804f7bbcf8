"""More than errors: what is measured on trained networks, one module a measure."""
