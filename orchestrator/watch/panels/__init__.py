"""What every panel of the terminal view says, as lines of words with roles: pure, and without a terminal."""
