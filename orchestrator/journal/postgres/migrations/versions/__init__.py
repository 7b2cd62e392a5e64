"""One module a schema version; `revision` is its number."""
