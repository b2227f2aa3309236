"""What is known of programming languages: names, comments, grammars. Knows no model."""
