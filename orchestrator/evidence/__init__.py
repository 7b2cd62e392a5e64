"""The evidence of a drill as one file, and its verifier, which trusts nothing but the root."""
