"""Rules for every file of the project, checked on the files themselves."""
