"""The verbs on the tables, one file a subject. Each takes a session and leaves the commit to its caller."""
