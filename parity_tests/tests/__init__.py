"""The suite: thin tests over the table, what rows cannot say, planted bugs, hostile files."""
