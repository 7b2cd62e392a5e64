"""Ways to carry frames between the parties; `base.Transport` says what each must do."""
