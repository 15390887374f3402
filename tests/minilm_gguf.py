"""The installed weights of all-MiniLM-L6-v2 as a GGUF file, so that a real llama.cpp serves the very same model."""

import json
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, PoolingType, TokenType
from gguf.constants import MODEL_ARCH
from gguf.tensor_mapping import get_tensor_name_map
from safetensors.numpy import load_file

_KINDS = {"[PAD]": TokenType.CONTROL, "[UNK]": TokenType.UNKNOWN, "[CLS]": TokenType.CONTROL}
_KINDS |= {"[SEP]": TokenType.CONTROL, "[MASK]": TokenType.CONTROL}


def write_gguf(folder: Path, file: Path, *, context: int | None = None, quantised: bool = False) -> None:
    """Write a BERT model's folder (config.json, tokenizer.json, model.safetensors) as GGUF.

    context, if given, is the longest text in tokens that the server will read. With quantised the large matrices
    are Q4_0: other vectors under the same name.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    writer = GGUFWriter(file, "bert")
    writer.add_name(folder.name)
    writer.add_context_length(context or config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(PoolingType.MEAN)
    _tokens(writer, tokenizer, config)
    names = get_tensor_name_map(MODEL_ARCH.BERT, config["num_hidden_layers"])
    for name, values in load_file(folder / "model.safetensors").items():
        # The pooler makes no sentence vectors, and positions are counted by llama.cpp itself.
        if name.startswith("pooler.") or name.endswith("position_ids"):
            continue
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert target, name
        _tensor(writer, target, values, quantised=quantised and values.ndim == 2 and "attn" in target)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tokens(writer: GGUFWriter, tokenizer: dict[str, dict[str, dict[str, int]]], config: dict[str, int]) -> None:
    vocabulary = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([_written(token) for token, _ in vocabulary])
    writer.add_token_types([_KINDS.get(token, TokenType.NORMAL) for token, _ in vocabulary])
    writer.add_token_type_count(config["type_vocab_size"])
    ids = dict(vocabulary)
    writer.add_bos_token_id(ids["[CLS]"])
    writer.add_sep_token_id(ids["[SEP]"])
    writer.add_eos_token_id(ids["[SEP]"])
    writer.add_unk_token_id(ids["[UNK]"])
    writer.add_pad_token_id(ids["[PAD]"])
    writer.add_mask_token_id(ids["[MASK]"])


def _written(token: str) -> str:
    """llama.cpp marks where a word begins, WordPiece where it goes on."""
    if token in _KINDS:
        return token
    return token[2:] if token.startswith("##") else "\u2581" + token


def _tensor(writer: GGUFWriter, name: str, values: np.ndarray, *, quantised: bool) -> None:
    if quantised:
        from gguf import GGMLQuantizationType
        from gguf.quants import quantize

        writer.add_tensor(name, quantize(values, GGMLQuantizationType.Q4_0), raw_dtype=GGMLQuantizationType.Q4_0)
    else:
        writer.add_tensor(name, values.astype(np.float32))
