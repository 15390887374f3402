"""An encoder's weights as an ONNX model on this machine: with torch, once. No hub is asked."""

import logging
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import msgspec

from drift.embedder import Weights, load_model
from drift.onnx_embedder import ABOUT, MODEL, TOKENIZER, About, OnnxEmbedder

AGREEMENT = {"fp32": 0.9999, "int8": 0.9}
"""Smallest cosine to torch's vectors that an export is kept with: what is below is not this model."""

_FORMAT = 1
"""Of the folders: a later one looks elsewhere."""
_OPSET = 17
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_CHECKED = (
    "Yes.",
    "Reset the password in the account settings, then sign in again on every device.",
    "def area(radius):\n    return 3.14159 * radius ** 2\n",
    "Ich kann Ihnen dabei leider nicht helfen. 东京 is the capital of Japan. " * 12,
)
"""Texts of several lengths, so that batches are padded."""


def folder_of(cache: Path, weights: Weights, precision: str) -> Path:
    """Where the exported model of these weights lies."""
    return cache / f"{weights.sha256[:16]}-{precision}-{_FORMAT}"


def is_exported(folder: Path) -> bool:
    return (folder / ABOUT).is_file()


def export(weights: Weights, folder: Path, precision: str) -> None:
    """Write the model of `weights` as ONNX into `folder`, whole or not at all; others may do the same meanwhile.

    precision is "fp32" or "int8" (of the weights, and of what they are multiplied with). Takes seconds, and needs
    torch, onnx and onnxruntime. Raises ValueError when what was written is another model, and what these libraries
    raise.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix="part-"))
    try:
        # The other ways to compute attention do not fit into a graph.
        model = load_model(weights.folder, device="cpu", attn_implementation="eager")
        about = _write(model, part)
        if precision == "int8":
            _quantise(part / MODEL)
        (part / ABOUT).write_bytes(msgspec.json.encode(about))
        vectors = model.encode(list(_CHECKED), normalize_embeddings=True, show_progress_bar=False)
        written = OnnxEmbedder(part, "", threads=1).embed(_CHECKED)
        agreement = float((vectors * written).sum(axis=1).min())
        if not agreement >= AGREEMENT[precision]:
            raise ValueError(f"the exported model is another one: a vector agrees with torch's by {agreement:.4f} only")
        _put(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(model: Any, folder: Path) -> About:
    import torch

    class Whole(torch.nn.Module):
        """Every module of the model, from tokens to the text's vector."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: torch.Tensor) -> Any:
            return self.model(dict(zip(inputs, values, strict=True)))["sentence_embedding"]

    tokenizer = model.tokenizer
    tokens = tokenizer(list(_CHECKED), padding=True, truncation=True, max_length=16, return_tensors="pt")
    inputs = [name for name in _INPUTS if name in tokens]
    axes = {name: {0: "texts", 1: "tokens"} for name in inputs}
    with warnings.catch_warnings(), torch.no_grad():
        # Of the way it is exported, which the check after it covers.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Whole().eval(),
            tuple(tokens[name] for name in inputs),
            str(folder / MODEL),
            input_names=inputs,
            output_names=["vectors"],
            dynamic_axes=axes | {"vectors": {0: "texts"}},
            opset_version=_OPSET,
            # The newer way needs two packages more, and writes the same graph.
            dynamo=False,
        )
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
    return About(
        dimension=int(model.get_embedding_dimension()),
        max_tokens=int(model.max_seq_length),
        inputs=inputs,
        pad=int(tokenizer.pad_token_id or 0),
    )


def _quantise(file: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = file.with_suffix(".fp32")
    file.rename(whole)
    # It advises a step that changes nothing here.
    logging.getLogger().addFilter(_silent)
    try:
        # Of 7 bits: sums of 8 overflow on CPUs without VNNI, and vectors would depend on the CPU.
        quantize_dynamic(whole, file, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    finally:
        logging.getLogger().removeFilter(_silent)
    whole.unlink()


def _silent(record: logging.LogRecord) -> bool:
    return "pre-processing before quantization" not in record.getMessage()


def _put(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        # Another process was first.
        if not is_exported(folder):
            raise
