"""`haltdrill coverage`: reads many drills' journals, and shows the matrix in a terminal, as a page, JSON or CSV."""
