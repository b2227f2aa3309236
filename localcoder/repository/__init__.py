"""What is in a repository, and in the libraries that it uses: an index on disk, and what a file needs of it."""
