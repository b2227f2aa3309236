# A minute with localcoder. Grey text is a suggestion: it is no part of the file until you take it.

import os


class Store:
    """Values by their keys."""

    def __init__(self):
        self._data = {}

    # 1. Tab takes all of a suggestion.
    def get(self, key, default=None):
        return self._data.get(‸)


# 2. Ctrl+Right takes the next word of it, and so on to its end.
class Items(list):
    def __init__(self, *args, **kwargs):
        super().__init__(‸)


# 3. Ctrl+Down takes the next line of it.
def load(path):
    if not os.path.exists(‸


# 4. F8 shows another one, F7 the one before. Tab takes what is shown.
def save(path, text):
    with open(path, "w") as f:
        f.write(‸)


# 5. Now your own: Ctrl+N begins a buffer. Paste code, press Tab at the suggestion, and Ctrl+C copies it.
#    F2 gets a real model: this one is for demonstrations only.
