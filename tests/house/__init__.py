"""What every file of the project keeps to, read from the files themselves."""
