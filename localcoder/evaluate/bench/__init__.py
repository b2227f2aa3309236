"""What a model does on this machine: how fast, in how much memory, and next to llama.cpp's own programs."""
