"""Trains the model on the shards of `data.py`.

    python3 train.py --data data --out run --minutes 70
    python3 train.py --data data --out run --minutes 70 --resume     goes on where a stopped run was
    python3 train.py --data data --out run --hardest 0:1 0.5:0.25    in the second half, a quarter of the rows

The loss counts what the assistant says. Matrices are trained with Muon, embedding and norms with AdamW. The learning
rate follows the clock (a cosine that ends at `--minutes`), so that a run always ends annealed however fast the machine
is; two runs of one seed therefore differ a little. Products run in bfloat16: where torch has only a reference BLAS,
that is a hundred times faster than float32. Runs on a CUDA device where there is one.

With `--hardest` all rows are looked at, and those to train on are drawn by their loss. Loss, accuracy and `tokens` in
`log.jsonl` are always of all the tokens that were looked at (padding left out), not only of those trained on.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from batches import Batch, Shard, iterate_batches, iterate_pools
from model import LanguageModel, ModelConfig
from options import LAST, check_shape, describe, keep_logged, list_changes, parse_options, value_at

LOG_SECONDS = 15
#: Added to the loss of each row, so that every row can be drawn.
EPSILON = 1e-3


def main() -> None:
    options = parse_options(__doc__)
    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    trainer = Trainer(options, create_model(options))
    if options.resume:
        trainer.resume()
    trainer.run()


def create_model(options: argparse.Namespace) -> LanguageModel:
    config = ModelConfig(
        v=count_vocabulary(options.tokenizer),
        d=options.width,
        l=options.layers,
        h=options.heads,
        kv=options.heads,
        ff=options.feed_forward,
        theta=options.theta,
    )
    model = LanguageModel(config).to(options.device)
    if options.init:
        model.load_state_dict(torch.load(options.init, map_location=options.device, weights_only=True)["m"])
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"parameters {count / 1e6:.2f} M, vocabulary {config.v}", flush=True)
    return model


def count_vocabulary(path: Path) -> int:
    stored = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = stored["model"]["vocab"]
    return len(vocabulary) + sum(token["content"] not in vocabulary for token in stored["added_tokens"])


def create_optimizers(model: LanguageModel, options: argparse.Namespace) -> list[torch.optim.Optimizer]:
    matrices = []
    others = []
    for name, parameter in model.named_parameters():
        (matrices if parameter.dim() == 2 and "emb" not in name else others).append(parameter)
    muon = torch.optim.Muon(
        matrices, lr=options.muon_rate, momentum=0.95, weight_decay=options.weight_decay, adjust_lr_fn="original"
    )
    adam = torch.optim.AdamW(others, lr=options.rate, betas=(0.9, 0.98), weight_decay=0)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["base"] = group["lr"]
    return [muon, adam]


class Seen(NamedTuple):
    """What the model made of rows: the mean loss and the share that is right of what is learnt, and all tokens."""

    loss: float
    right: float
    tokens: int


class Trainer:
    """One run: steps until the time is up, with a log and checkpoints."""

    def __init__(self, options: argparse.Namespace, model: LanguageModel) -> None:
        self.options = options
        self.model = model
        self.optimizers = create_optimizers(model, options)
        self.rng = np.random.default_rng(options.seed)
        self.started = time.time()
        self.steps = 0
        self.tokens = 0
        self.shard = 0
        self.recent: list[Seen] = []

    def run(self) -> None:
        last_checkpoint = last_log = self.elapsed()
        for pool, share in self.pools():
            if self.fraction() >= 1:
                break
            norm = self.train_on(pool, share)
            elapsed = self.elapsed()
            if elapsed - last_log > LOG_SECONDS:
                last_log = elapsed
                self.log(norm)
            if elapsed - last_checkpoint > self.options.checkpoint_minutes * 60:
                last_checkpoint = elapsed
                self.save(LAST)
        self.save("final.pt")
        print("done", self.steps, "steps", self.tokens, "tokens", flush=True)

    def pools(self) -> Iterator[tuple[Batch, float]]:
        """Rows, and the share of them to train on. Raises `ValueError` when no shard has rows that are short enough."""
        for self.shard, pool in iterate_pools(self.options.data, self.shard, self.cut):
            yield pool

    def cut(self, shard: Shard) -> Iterator[tuple[Batch, float]]:
        # Asked once: pools are made so big that this share of one fills a batch.
        share = self.share()
        for pool in iterate_batches(shard, self.rng, self.max_tokens(), int(self.batch_tokens() / share)):
            yield pool, share

    def train_on(self, pool: Batch, share: float) -> float:
        """Returns the norm of the gradient. The log tells of the whole pool, also where a share of it is trained on."""
        if share < 1:
            batch, seen = self.hardest(pool, share)
            _seen_again, norm = self.step(batch)
        else:
            seen, norm = self.step(pool)
        self.recent.append(seen)
        self.tokens += seen.tokens
        return norm

    def elapsed(self) -> float:
        return time.time() - self.started

    def fraction(self) -> float:
        """Of the time that has passed."""
        return self.elapsed() / (self.options.minutes * 60)

    def max_tokens(self) -> int:
        return value_at(self.options.longest_rows, self.fraction())

    def share(self) -> float:
        """Of the rows, that is trained on."""
        return value_at(self.options.hardest, self.fraction())

    def batch_tokens(self) -> int:
        first, last = self.options.first_batch_tokens, self.options.batch_tokens
        return int(first + (last - first) * min(1.0, self.fraction() * 2.5))

    def rate(self) -> float:
        """Factor of the base learning rates."""
        warm = min(1.0, (self.elapsed() + 1) / self.options.warm_up_seconds)
        return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.fraction())))

    def hardest(self, pool: Batch, share: float) -> tuple[Batch, Seen]:
        """
        The rows of a pool to train on, and what all of them gave. Most conversations are soon known by heart, and to
        look costs a third of a step. Drawn in proportion to the loss, as in selective backpropagation (Jiang et al.,
        2019): the worst may be what nobody could know. Raises `FloatingPointError` when the loss is no number.
        """
        ids, mask = pool.ids, pool.mask
        count = max(1, round(len(ids) * share))
        slices = [slice(start, start + count) for start in range(0, len(ids), count)]
        looks = [self.look(ids[part], mask[part]) for part in slices]
        losses = np.concatenate([losses for losses, _right in looks])
        learnt = int(mask[:, 1:].sum())
        seen = Seen(float(losses.sum()) / learnt, sum(right for _losses, right in looks) / learnt, pool.tokens)
        self._require_finite("loss", seen.loss)
        losses += EPSILON
        rows = self.rng.choice(len(ids), count, replace=False, p=losses / losses.sum())
        return pool.take(rows), seen

    @torch.no_grad()
    def look(self, ids: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, int]:
        """The loss of each row, summed over its tokens, and how many tokens are right."""
        logits, wanted, selected = self.predict(ids, mask)
        losses = torch.zeros(selected.shape, device=logits.device)
        losses[selected] = F.cross_entropy(logits, wanted, reduction="none")
        return losses.sum(1).double().cpu().numpy(), int((logits.argmax(-1) == wanted).sum())

    def predict(self, ids: np.ndarray, mask: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of what is to be learnt, what it is, and where it stands."""
        device = self.options.device
        tokens = torch.from_numpy(ids).to(device)
        selected = torch.from_numpy(mask).to(device)[:, 1:].bool()
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            logits = self.model.logits(self.model.hidden(tokens[:, :-1])[selected])
        return logits.float(), tokens[:, 1:][selected], selected

    def step(self, batch: Batch) -> tuple[Seen, float]:
        """
        Returns what the rows gave before the step, and the norm of the gradient. Raises `FloatingPointError` when the
        loss or the norm is no number.
        """
        self._set_rate()
        logits, wanted, _selected = self.predict(batch.ids, batch.mask)
        loss = F.cross_entropy(logits, wanted)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        # Not sooner: a GPU would have to be waited for in the middle. Weights that are spoilt now are never saved.
        self._require_finite("loss", loss.item())
        self._require_finite("norm of the gradient", float(norm))
        self.steps += 1
        return Seen(loss.item(), (logits.argmax(-1) == wanted).float().mean().item(), batch.tokens), float(norm)

    def _require_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise FloatingPointError(
                f"step {self.steps + 1}: the {what} is {value}; "
                "go on from the last checkpoint with --resume and a lower --rate and --muon-rate"
            )

    def _set_rate(self) -> None:
        rate = self.rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base"] * rate

    def log(self, norm: float) -> None:
        recent, self.recent = self.recent, []
        line = {
            "seconds": round(self.elapsed()),
            "step": self.steps,
            "tokens": self.tokens,
            "loss": round(float(np.mean([seen.loss for seen in recent])), 4),
            "accuracy": round(float(np.mean([seen.right for seen in recent])), 4),
            "tokens_per_second": round(self.tokens / self.elapsed()),
            "norm": round(norm, 2),
        }
        print(json.dumps(line), flush=True)
        with open(self.options.out / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def save(self, name: str) -> None:
        checkpoint: dict[str, Any] = {
            "m": self.model.state_dict(),
            "cfg": self.model.config.to_dict(),
            "step": self.steps,
            "tok": self.tokens,
            "t": self.elapsed(),
            "shard": self.shard,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "options": describe(self.options),
        }
        part = self.options.out / f"{name}.part"
        torch.save(checkpoint, part)
        part.replace(self.options.out / name)

    def resume(self) -> None:
        """Raises `FileNotFoundError` when no checkpoint was written, `ValueError` when its model has another shape."""
        stored = torch.load(self.options.out / LAST, map_location=self.options.device, weights_only=True)
        check_shape(stored["cfg"], self.model.config.to_dict())
        for change in list_changes(stored.get("options", {}), describe(self.options)):
            print(change, flush=True)
        self.model.load_state_dict(stored["m"])
        for optimizer, state in zip(self.optimizers, stored["optimizers"]):
            # Without the stored groups, which would bring back the rates of the stopped run.
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state["state"]})
        self.steps, self.tokens, self.shard = stored["step"], stored["tok"], stored["shard"]
        self.started = time.time() - stored["t"]
        self.rng = np.random.default_rng([self.options.seed, self.steps])
        self._forget_log()
        print(f"goes on at step {self.steps}, {self.elapsed() / 60:.1f} minutes", flush=True)

    def _forget_log(self) -> None:
        """Takes out what was logged after the checkpoint."""
        log = self.options.out / "log.jsonl"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        part = log.with_suffix(".part")
        part.write_text("".join(f"{line}\n" for line in keep_logged(lines, self.steps)), encoding="utf-8")
        part.replace(log)


if __name__ == "__main__":
    main()
