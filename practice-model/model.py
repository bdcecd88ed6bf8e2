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
MAX_POSITIONS = 2048
MASKED = -1e4

#: Keys and values of one layer.
Cache = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class ModelConfig:
    """`v` vocabulary, `d` width, `l` layers, `h` heads, `kv` key and value heads, `ff` feed-forward width."""

    v: int
    d: int = 192
    l: int = 4  # noqa: E741
    h: int = 6
    kv: int = 6
    ff: int = 512
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

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        cache: Cache | None = None,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        batch, length, width = x.shape
        y = F.rms_norm(x, (width,), self.n1.to(x.dtype), EPSILON)
        query = rotate(self._heads(self.wq(y), self.h), rotation)
        key = rotate(self._heads(self.wk(y), self.k), rotation)
        value = self._heads(self.wv(y), self.k)
        if cache is not None:
            key, value = update_cache(cache, key, value, positions)
        if self.k != self.h:
            key = key.repeat_interleave(self.h // self.k, 1)
            value = value.repeat_interleave(self.h // self.k, 1)
        attended = attend(query, key, value, mask)
        x = x + self.wo(attended.transpose(1, 2).reshape(batch, length, width))
        y = F.rms_norm(x, (width,), self.n2.to(x.dtype), EPSILON)
        return x + self.wd(F.silu(self.wg(y)) * self.wu(y))

    def _heads(self, x: Tensor, heads: int) -> Tensor:
        batch, length, _width = x.shape
        return x.view(batch, length, heads, self.hd).transpose(1, 2)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """RoPE on the two halves of each head; `export.py` permutes to the interleaved form of GGUF."""
    cos, sin = rotation
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def update_cache(cache: Cache, key: Tensor, value: Tensor, positions: Tensor | None) -> Cache:
    """A whole prompt is written from the start; a single token at each row's position, and the whole cache is used."""
    cached_key, cached_value = cache
    length = key.shape[2]
    if length > 1 or positions is None:
        cached_key[:, :, :length] = key
        cached_value[:, :, :length] = value
        return key, value
    rows = torch.arange(key.shape[0])
    cached_key[rows, :, positions] = key[:, :, 0]
    cached_value[rows, :, positions] = value[:, :, 0]
    return cached_key, cached_value


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
    # torch's flash attention for CPUs calls BLAS; with a reference BLAS that is ten times slower than plain products.
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is None:
        scores = scores + causal_bias(query.shape[2], scores.dtype)
    else:
        scores = scores.masked_fill(~mask, MASKED)
    return scores.softmax(-1).to(value.dtype) @ value


@functools.lru_cache(maxsize=400)
def causal_bias(length: int, dtype: torch.dtype) -> Tensor:
    return torch.full((length, length), MASKED).triu(1).to(dtype)


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
        angles = torch.arange(MAX_POSITIONS).float()[:, None] * frequencies
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def _initial_deviation(self, name: str, parameter: Tensor) -> float:
        if "emb" in name:
            return 0.02
        into_residual = "wo" in name or "wd" in name
        scale = 1 / math.sqrt(2 * self.config.l) if into_residual else 0.8
        return scale / math.sqrt(parameter.shape[1])

    def hidden(
        self,
        ids: Tensor,
        caches: list[Cache] | None = None,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Hidden states of all tokens; with `positions`, of one further token per row."""
        length = ids.shape[1]
        x = self.emb(ids).to(torch.bfloat16 if self.config.bf16 else torch.float32)
        if positions is None:
            cos, sin = self.cos[:length], self.sin[:length]
        else:
            cos, sin = self.cos[positions][:, None, None], self.sin[positions][:, None, None]
        rotation = (cos.to(x.dtype), sin.to(x.dtype))
        for number, block in enumerate(self.blocks):
            x = block(x, rotation, caches[number] if caches else None, mask, positions)
        return F.rms_norm(x, (self.config.d,), self.nf.to(x.dtype), EPSILON)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.emb.weight.to(hidden.dtype)).float()


def load_checkpoint(path: str) -> tuple[LanguageModel, dict[str, Any]]:
    """The model of a file that `train.py` wrote, and what else the file says."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    model = LanguageModel(ModelConfig(**stored["cfg"]))
    model.load_state_dict(stored["m"])
    return model, stored
