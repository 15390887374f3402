"""How much of a text an encoder reads: so many tokens from its beginning."""

from typing import Any

READ_CHARACTERS = 20_000
"""More than 256 tokens ever have: the tokenizer would read megabytes to throw them away."""


class Reading:
    """Cuts texts where a model with this tokenizer (of the library tokenizers) stops reading."""

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        # A copy: the model's own is set for batches.
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._max_tokens = max_tokens

    def beginning(self, text: str) -> str:
        """As much of the text as is read: it has the vector of the whole.

        A word may be cut: what is left of it has the tokens that the whole word begins with.
        """
        offsets = self._tokenizer.encode(text[:READ_CHARACTERS]).offsets
        if len(offsets) < self._max_tokens:
            return text[:READ_CHARACTERS]
        # The end token, and in some models others, stand nowhere in the text.
        return text[: max(end for _, end in offsets)]
