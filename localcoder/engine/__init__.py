"""From token ids to tokens: llama.cpp in a child process."""
