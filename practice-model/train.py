"""Trains the model on the shards of `data.py`.

    python3 train.py --data data --out run --minutes 70
    python3 train.py --data data --out run --minutes 70 --resume     goes on where a stopped run was

The loss counts what the assistant says. Matrices are trained with Muon, embedding and norms with AdamW. The learning
rate follows the clock (a cosine that ends at `--minutes`), so that a run always ends annealed however fast the machine
is; two runs of one seed therefore differ a little. Products run in bfloat16: where torch has only a reference BLAS,
that is a hundred times faster than float32. Runs on a CUDA device where there is one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from batches import Batch, iterate_batches, iterate_shards, load_shard
from model import LanguageModel, ModelConfig

HERE = Path(__file__).parent
LAST = "last.pt"
LOG_SECONDS = 15
#: Added to the loss of each row, so that every row can be drawn.
EPSILON = 1e-3
#: The longest rows by the share of the time: short ones first, from which copying is learnt sooner and in less time.
LONGEST_ROWS = ["0:320", "0.08:640", "0.2:900", "0.75:3200"]


def main() -> None:
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    trainer = Trainer(options, create_model(options))
    if options.resume:
        trainer.resume()
    trainer.run()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="of shards, used one after the other")
    parser.add_argument("--tokenizer", type=Path, default=HERE / "tokenizer.json", metavar="FILE")
    parser.add_argument("--out", type=Path, default=Path("run"), metavar="FOLDER")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    parser.add_argument("--init", metavar="FILE", help="start from the weights of this checkpoint")
    parser.add_argument("--minutes", type=float, default=70.0)
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    shape = parser.add_argument_group("shape of the model")
    shape.add_argument("--width", type=int, default=256)
    shape.add_argument("--layers", type=int, default=4)
    shape.add_argument("--heads", type=int, default=8)
    shape.add_argument("--feed-forward", type=int, default=640)
    shape.add_argument("--theta", type=float, default=10000.0)
    training = parser.add_argument_group("training")
    training.add_argument("--rate", type=float, default=3e-3, help="of AdamW")
    training.add_argument("--muon-rate", type=float, default=0.02)
    training.add_argument("--weight-decay", type=float, default=0.05)
    training.add_argument("--first-batch-tokens", type=int, default=4096)
    training.add_argument("--batch-tokens", type=int, default=8192, help="reached after 40 %% of the time")
    training.add_argument("--warm-up-seconds", type=float, default=60.0)
    training.add_argument(
        "--hardest",
        nargs="+",
        type=parse_share,
        default=[(0.0, 1.0)],
        metavar="SHARE:SHARE",
        help="from this share of the time on, train on this share of the rows, drawn by their loss (default 0:1)",
    )
    training.add_argument(
        "--longest-rows",
        nargs="+",
        type=parse_longest_row,
        default=[parse_longest_row(one) for one in LONGEST_ROWS],
        metavar="SHARE:TOKENS",
        help=f"from this share of the time on, longer conversations are left out (default {' '.join(LONGEST_ROWS)})",
    )
    return parser.parse_args()


def parse_longest_row(value: str) -> tuple[float, int]:
    """Raises `ValueError` for anything but a share of the time, a colon and a number of tokens."""
    share, tokens = value.split(":")
    return float(share), int(tokens)


def parse_share(value: str) -> tuple[float, float]:
    """Raises `ValueError` for anything but a share of the time, a colon and a share of rows above 0 and up to 1."""
    since, share = (float(part) for part in value.split(":"))
    if not 0 < share <= 1:
        raise ValueError(value)
    return since, share


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
        self.recent: list[tuple[float, float]] = []

    def run(self) -> None:
        last_checkpoint = last_log = self.elapsed()
        for batch in self.batches():
            if self.fraction() >= 1:
                break
            norm = self.step(batch)
            elapsed = self.elapsed()
            if elapsed - last_log > LOG_SECONDS:
                last_log = elapsed
                self.log(norm)
            if elapsed - last_checkpoint > self.options.checkpoint_minutes * 60:
                last_checkpoint = elapsed
                self.save(LAST)
        self.save("final.pt")
        print("done", self.steps, "steps", self.tokens, "tokens", flush=True)

    def batches(self) -> Iterator[Batch]:
        for self.shard, path in iterate_shards(self.options.data, self.shard):
            for pool in iterate_batches(load_shard(path), self.rng, self.max_tokens, self.pool_tokens):
                yield self.hardest(pool) if self.share() < 1 else pool

    def elapsed(self) -> float:
        return time.time() - self.started

    def fraction(self) -> float:
        """Of the time that has passed."""
        return self.elapsed() / (self.options.minutes * 60)

    def max_tokens(self) -> int:
        return self._scheduled(self.options.longest_rows)

    def share(self) -> float:
        """Of the rows, that is trained on."""
        return self._scheduled(self.options.hardest)

    def _scheduled(self, values: list[tuple[float, Any]]) -> Any:
        return [value for since, value in values if self.fraction() >= since][-1]

    def pool_tokens(self) -> int:
        return int(self.batch_tokens() / self.share())

    def batch_tokens(self) -> int:
        first, last = self.options.first_batch_tokens, self.options.batch_tokens
        return int(first + (last - first) * min(1.0, self.fraction() * 2.5))

    def rate(self) -> float:
        """Factor of the base learning rates."""
        warm = min(1.0, (self.elapsed() + 1) / self.options.warm_up_seconds)
        return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.fraction())))

    def hardest(self, pool: Batch) -> Batch:
        """
        The share of a pool's rows to train on. Most conversations are soon known by heart, and to look costs a third of a step.
        Drawn in proportion to the loss, as in selective backpropagation (Jiang et al., 2019): the worst may be what nobody could know.
        """
        ids, mask, tokens = pool
        count = max(1, round(len(ids) * self.share()))
        slices = [slice(start, start + count) for start in range(0, len(ids), count)]
        looks = [self.look(ids[part], mask[part]) for part in slices]
        losses = np.concatenate([losses for losses, _right in looks]) + EPSILON
        learnt = mask[:, 1:].sum()
        self.note(losses.sum() / learnt, sum(right for _losses, right in looks) / learnt, tokens)
        rows = self.rng.choice(len(ids), count, replace=False, p=losses / losses.sum())
        # Counted above, with all that was looked at.
        return ids[rows], mask[rows], 0

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
        with torch.autocast(device, torch.bfloat16):
            logits = self.model.logits(self.model.hidden(tokens[:, :-1])[selected])
        return logits.float(), tokens[:, 1:][selected], selected

    def note(self, loss: float, right: float, tokens: int) -> None:
        self.recent.append((loss, right))
        self.tokens += tokens

    def step(self, batch: Batch) -> float:
        """Returns the norm of the gradient."""
        self._set_rate()
        ids, mask, tokens = batch
        logits, wanted, _selected = self.predict(ids, mask)
        loss = F.cross_entropy(logits, wanted)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.steps += 1
        if tokens > 0:
            self.note(loss.item(), (logits.argmax(-1) == wanted).float().mean().item(), tokens)
        return float(norm)

    def _set_rate(self) -> None:
        rate = self.rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base"] * rate

    def log(self, norm: float) -> None:
        losses, accuracies = zip(*self.recent)
        self.recent = []
        line = {
            "seconds": round(self.elapsed()),
            "step": self.steps,
            "tokens": self.tokens,
            "loss": round(float(np.mean(losses)), 4),
            "accuracy": round(float(np.mean(accuracies)), 4),
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
        }
        part = self.options.out / f"{name}.part"
        torch.save(checkpoint, part)
        part.rename(self.options.out / name)

    def resume(self) -> None:
        """Raises `FileNotFoundError` when no checkpoint was written."""
        stored = torch.load(self.options.out / LAST, map_location=self.options.device, weights_only=True)
        self.model.load_state_dict(stored["m"])
        for optimizer, state in zip(self.optimizers, stored["optimizers"]):
            optimizer.load_state_dict(state)
        self.steps, self.tokens, self.shard = stored["step"], stored["tok"], stored["shard"]
        self.started = time.time() - stored["t"]
        self.rng = np.random.default_rng([self.options.seed, self.steps])
        self._forget_log()
        print(f"goes on at step {self.steps}, {self.elapsed() / 60:.1f} minutes", flush=True)

    def _forget_log(self) -> None:
        """Takes out what was logged after the checkpoint."""
        log = self.options.out / "log.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= self.steps]
        log.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


if __name__ == "__main__":
    main()
