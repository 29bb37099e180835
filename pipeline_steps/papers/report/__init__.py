"""The report: one page that shows every table, figure and claim, and what made them."""
