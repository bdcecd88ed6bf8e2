"""Writes a checkpoint as GGUF (architecture `llama`, f16) with its tokenizer and chat template.

    python3 export.py run/final.pt practice-f16.gguf

`llama-quantize practice-f16.gguf practice.gguf q8_0` makes the file that is shipped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

HERE = Path(__file__).parent
NAME = "practice"
DESCRIPTION = "tiny practice model trained from scratch on generated dialogues about files, commands, git and todos"
CONTEXT_TOKENS = 4096
MATRICES = {"wv": "attn_v", "wo": "attn_output", "wg": "ffn_gate", "wu": "ffn_up", "wd": "ffn_down"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tokenizer", type=Path, default=HERE / "tokenizer.json", metavar="FILE")
    parser.add_argument("--template", type=Path, default=HERE / "template.jinja", metavar="FILE")
    options = parser.parse_args()
    stored = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    writer = gguf.GGUFWriter(str(options.out), "llama")
    add_shape(writer, stored["cfg"])
    add_tokenizer(writer, json.loads(options.tokenizer.read_text(encoding="utf-8")), stored["cfg"]["v"])
    writer.add_chat_template(options.template.read_text(encoding="utf-8").rstrip("\n"))
    add_tensors(writer, stored["cfg"], stored["m"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print("wrote", options.out)


def add_shape(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_name(NAME)
    writer.add_description(DESCRIPTION)
    writer.add_license("MIT")
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(config["d"])
    writer.add_block_count(config["l"])
    writer.add_feed_forward_length(config["ff"])
    writer.add_head_count(config["h"])
    writer.add_head_count_kv(config["kv"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(config["d"] // config["h"])
    writer.add_rope_freq_base(config["theta"])
    writer.add_vocab_size(config["v"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def add_tokenizer(writer: gguf.GGUFWriter, stored: dict[str, Any], size: int) -> None:
    """Raises `ValueError` when the tokenizer is not the one that the model was trained with."""
    vocabulary = dict(stored["model"]["vocab"])
    types = {}
    for token in stored["added_tokens"]:
        vocabulary[token["content"]] = token["id"]
        types[token["id"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    tokens = sorted(vocabulary, key=lambda token: vocabulary[token])
    if len(tokens) != size:
        raise ValueError(f"the tokenizer has {len(tokens)} tokens and the model {size}")
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in stored["model"]["merges"]]
    end = vocabulary["<|end|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([types.get(number, gguf.TokenType.NORMAL) for number in range(size)])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(end)
    writer.add_pad_token_id(vocabulary["<|pad|>"])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)


def add_tensors(writer: gguf.GGUFWriter, config: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    def read(name: str) -> np.ndarray:
        return weights[name].detach().float().numpy()

    def add(name: str, values: np.ndarray, dtype: type = np.float16) -> None:
        writer.add_tensor(name, np.ascontiguousarray(values).astype(dtype))

    add("token_embd.weight", read("emb.weight"))
    add("output_norm.weight", read("nf"), np.float32)
    for layer in range(config["l"]):
        source, target = f"blocks.{layer}.", f"blk.{layer}."
        add(f"{target}attn_norm.weight", read(f"{source}n1"), np.float32)
        add(f"{target}ffn_norm.weight", read(f"{source}n2"), np.float32)
        add(f"{target}attn_q.weight", interleave(read(f"{source}wq.weight"), config["h"]))
        add(f"{target}attn_k.weight", interleave(read(f"{source}wk.weight"), config["kv"]))
        for name, exported in MATRICES.items():
            add(f"{target}{exported}.weight", read(f"{source}{name}.weight"))


def interleave(matrix: np.ndarray, heads: int) -> np.ndarray:
    """From RoPE on the halves of a head to RoPE on neighbouring pairs."""
    rows, columns = matrix.shape
    return matrix.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(matrix.shape)


if __name__ == "__main__":
    main()
