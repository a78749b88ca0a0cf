"""The only SQL of the project: what is kept, by whom it is written, and what each process may do with it."""
