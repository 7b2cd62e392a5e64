"""What both ends need from the machine they run on: the clock, files, and logs."""
