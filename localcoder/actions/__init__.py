"""What a model is asked for beyond the cursor: a document and a selection become prompts, and answers become edits."""
