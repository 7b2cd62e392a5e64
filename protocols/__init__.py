"""What the parties of a drill say to each other, and the rules that both ends share."""
