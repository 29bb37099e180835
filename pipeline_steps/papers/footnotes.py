"""Footnotes of a table."""


class Footnotes:
    """Letters for what is said below a table; the same words share a letter."""

    def __init__(self) -> None:
        self.letters: dict[str, str] = {}

    def mark(self, *sentences: str) -> str:
        """The letters of these sentences, each made when it is first asked for."""
        for sentence in sentences:
            i = len(self.letters)
            letter = "abcdefghijklmnopqrstuvwxyz"[i % 26] * (i // 26 + 1)
            self.letters.setdefault(sentence, letter)
        return ",".join(self.letters[sentence] for sentence in sentences)
