"""The forms of a table: tidy, as a page, in LaTeX, as a picture."""
