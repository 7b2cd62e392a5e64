"""What runs: the loop, the broker and the children that die with us."""
