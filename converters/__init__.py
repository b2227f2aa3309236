"""StarCoder2 checkpoints in, GGUF files out. Knows nothing of localcoder and runs no model."""
