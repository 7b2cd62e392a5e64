"""The hash-chained journal: what a drill was, record by record, on disk before anything is done."""
