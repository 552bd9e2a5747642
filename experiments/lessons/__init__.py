"""Lessons: worked examples with numbers small enough for a pencil, and exercises that judge an answer."""
