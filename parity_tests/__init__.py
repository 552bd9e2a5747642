"""The proof: one table of components, one tolerance rule, and the checks that both drive."""
