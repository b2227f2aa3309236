"""What is measured on a model: an importance matrix, and how well it completes somebody's own code."""
