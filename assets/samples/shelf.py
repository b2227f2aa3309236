"""A shelf of books: a sample to try completions on."""

import json
from pathlib import Path


class Book:
    """A book with a title, an author and a year."""

    def __init__(self, title, author, year):
        self.title = title
        self.author = author
        self.year = year

    def __repr__(self):
        return f"Book({self.title!r}, {self.author!r}, {self.year!r})"


class Shelf:
    """A collection of books with a name."""

    def __init__(self, name, books=None):
        self.name = name
        self.books = books or []

    def add(self, book):
        """Put a book on the shelf."""
        self.books.append(book)

    def find(self, title):
        """Return the book with this title, or None."""
        for book in self.books:
            if book.title == title:
                return book
        return None


def load(path):
    """Read a shelf from a JSON file."""
    path = Path(
