"""A Llama-type decoder (RMSNorm, RoPE, SwiGLU, tied embeddings), exported to GGUF as architecture `llama`.

Names of parameters are those of the stored checkpoints; `export.py` maps them to GGUF.
"""

from __future__ import annotations

import functools
import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-5
MAX_POSITIONS = 4096
#: Rows of scores that are held at a time.
CHUNK = 256
MASKED = -1e4

@dataclass(frozen=True)
class ModelConfig:
    """`v` vocabulary, `d` width, `l` layers, `h` heads, `kv` key and value heads, `ff` feed-forward width."""

    v: int
    d: int = 256
    l: int = 4  # noqa: E741
    h: int = 8
    kv: int = 8
    ff: int = 640
    theta: float = 10000.0
    bf16: int = 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.h = config.h
        self.k = config.kv
        self.hd = config.d // config.h
        self.n1 = nn.Parameter(torch.ones(config.d))
        self.n2 = nn.Parameter(torch.ones(config.d))
        self.wq = nn.Linear(config.d, config.d, bias=False)
        self.wk = nn.Linear(config.d, config.kv * self.hd, bias=False)
        self.wv = nn.Linear(config.d, config.kv * self.hd, bias=False)
        self.wo = nn.Linear(config.d, config.d, bias=False)
        self.wg = nn.Linear(config.d, config.ff, bias=False)
        self.wu = nn.Linear(config.d, config.ff, bias=False)
        self.wd = nn.Linear(config.ff, config.d, bias=False)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        batch, length, width = x.shape
        y = F.rms_norm(x, (width,), self.n1.to(x.dtype), EPSILON)
        # One product for three is faster.
        joined = F.linear(y, torch.cat([self.wq.weight, self.wk.weight, self.wv.weight]))
        heads = joined.view(batch, length, self.h + 2 * self.k, self.hd).transpose(1, 2)
        turned = rotate(heads[:, : self.h + self.k], rotation)
        query, key, value = turned[:, : self.h], turned[:, self.h :], heads[:, self.h + self.k :]
        if self.k != self.h:
            key = key.repeat_interleave(self.h // self.k, 1)
            value = value.repeat_interleave(self.h // self.k, 1)
        attended = attend(query, key, value)
        x = x + self.wo(attended.transpose(1, 2).reshape(batch, length, width))
        y = F.rms_norm(x, (width,), self.n2.to(x.dtype), EPSILON)
        gate, up = F.linear(y, torch.cat([self.wg.weight, self.wu.weight])).chunk(2, -1)
        return x + self.wd(F.silu(gate) * up)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """RoPE on the two halves of each head; `export.py` permutes to the interleaved form of GGUF."""
    cos, sin = rotation
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention."""
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    # torch's flash attention for CPUs calls BLAS; with a reference BLAS that is ten times slower than plain products. In chunks,
    # since half of a long row's scores are masked anyway.
    query = query * query.shape[-1] ** -0.5
    chunks = []
    for start in range(0, query.shape[2], CHUNK):
        end = min(start + CHUNK, query.shape[2])
        scores = query[:, :, start:end] @ key[:, :, :end].transpose(-1, -2)
        scores[..., start:] += causal_bias(end - start, scores.dtype)
        chunks.append(scores.softmax(-1).to(value.dtype) @ value[:, :, :end])
    return torch.cat(chunks, 2)


@functools.lru_cache(maxsize=400)
def causal_bias(size: int, dtype: torch.dtype) -> Tensor:
    return torch.full((size, size), MASKED).triu(1).to(dtype)


class LanguageModel(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.emb = nn.Embedding(config.v, config.d)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.l))
        self.nf = nn.Parameter(torch.ones(config.d))
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=self._initial_deviation(name, parameter))
        half = config.d // config.h // 2
        frequencies = config.theta ** (-torch.arange(0, half).float() * 2 / (2 * half))
        angles = (torch.arange(MAX_POSITIONS).float()[:, None] * frequencies).repeat(1, 2)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def _initial_deviation(self, name: str, parameter: Tensor) -> float:
        if "emb" in name:
            return 0.02
        into_residual = "wo" in name or "wd" in name
        scale = 1 / math.sqrt(2 * self.config.l) if into_residual else 0.8
        return scale / math.sqrt(parameter.shape[1])

    def hidden(self, ids: Tensor) -> Tensor:
        """Hidden states of all tokens."""
        length = ids.shape[1]
        x = self.emb(ids).to(torch.bfloat16 if self.config.bf16 else torch.float32)
        rotation = (self.cos[:length].to(x.dtype), self.sin[:length].to(x.dtype))
        for block in self.blocks:
            x = block(x, rotation)
        return F.rms_norm(x, (self.config.d,), self.nf.to(x.dtype), EPSILON)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.emb.weight.to(hidden.dtype)).float()
