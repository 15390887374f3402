"""The same encoder on onnxruntime, for CPUs: what drift.onnx_export wrote, and no torch in the process."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from drift.errors import EmbedderUnavailable
from drift.reading import READ_CHARACTERS, Reading
from drift.samples import Matrix

MODEL, TOKENIZER, ABOUT = "model.onnx", "tokenizer.json", "about.json"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What else there is to know of an exported model."""

    dimension: int
    max_tokens: int
    inputs: list[str]
    pad: int


class OnnxEmbedder:
    """Texts to unit vectors on a CPU, as drift.embedder.Embedder.

    threads are onnxruntime's. Raises EmbedderUnavailable when the folder's model cannot be loaded.
    """

    device = "cpu"

    def __init__(self, folder: Path, encoder: str, *, batch_size: int = 32, threads: int | None = None) -> None:
        try:
            import onnxruntime
            from tokenizers import Tokenizer

            about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads or 0
            options.inter_op_num_threads = 1
            # Threads that spin while they wait take the core that the proxy needs.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            # No two batches have the same shape: what is planned for one serves no other.
            options.enable_mem_pattern = False
            model = str(folder / MODEL)
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime and tokenizers have exceptions of their own, each below Exception
            raise EmbedderUnavailable(
                f"the ONNX model in {folder} does not load ({error}): delete that folder, and it is made again"
            ) from error
        self.encoder, self.dimension, self.max_tokens = encoder, about.dimension, about.max_tokens
        self._inputs, self._pad, self._batch_size = about.inputs, about.pad, batch_size
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(about.max_tokens)
        self._reading = Reading(self._tokenizer, about.max_tokens)

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors of texts, float32, shape (len(texts), dimension), in their order.

        As drift.embedder.Embedder.embed.
        """
        unit = np.empty((len(texts), self.dimension), dtype=np.float32)
        tokens = [self._tokenizer.encode(text[:READ_CHARACTERS]) for text in texts]
        # Batches of like length: a batch costs what its longest text costs.
        order = sorted(range(len(texts)), key=lambda place: -len(tokens[place].ids))
        for start in range(0, len(order), self._batch_size):
            places = order[start : start + self._batch_size]
            batch = [tokens[place] for place in places]
            shape = len(batch), max(len(one.ids) for one in batch)
            feed = {name: np.zeros(shape, dtype=np.int64) for name in self._inputs}
            feed["input_ids"].fill(self._pad)
            for row, one in enumerate(batch):
                read = {"input_ids": one.ids, "attention_mask": one.attention_mask, "token_type_ids": one.type_ids}
                for name in self._inputs:
                    feed[name][row, : len(one.ids)] = read[name]
            vectors = self._session.run(None, feed)[0]
            unit[places] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def beginning(self, text: str) -> str:
        """As much of a text as is read: the whole has the same vector."""
        return self._reading.beginning(text)
