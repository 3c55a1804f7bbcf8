"""Protocols, metrics and strata of texture; predictions scored into rows and tables."""
