"""Clients that nobody here wrote, each driven by a small program: a job a line in, an answer a line out."""
