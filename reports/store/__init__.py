"""The database: its schema and migrations, all SQL of the project, and the rights of each process."""
