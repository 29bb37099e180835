"""Papers: tables, figures, claims and the report."""
