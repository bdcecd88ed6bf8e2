"""Trains the model on files of `data.py`.

    python3 train.py --data train.npz --out run --minutes 45

The loss counts what the assistant says. Matrices are trained with Muon, embedding and norms with AdamW. The learning
rate follows the clock (a cosine that ends at `--minutes`), so that a run always ends annealed however fast the machine
is; two runs of one seed therefore differ a little. Products run in bfloat16: where torch has only a reference BLAS,
that is a hundred times faster than float32.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from batches import Batch, iterate_batches, load_conversations
from model import LanguageModel, ModelConfig

HERE = Path(__file__).parent
LOG_SECONDS = 15


def main() -> None:
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    Trainer(options, create_model(options)).run()


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="FILE", help="used one after the other")
    parser.add_argument("--tokenizer", type=Path, default=HERE / "tokenizer.json", metavar="FILE")
    parser.add_argument("--out", type=Path, default=Path("run"), metavar="FOLDER")
    parser.add_argument("--init", metavar="FILE", help="checkpoint to go on from")
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--checkpoint-minutes", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    shape = parser.add_argument_group("shape of the model")
    shape.add_argument("--width", type=int, default=192)
    shape.add_argument("--layers", type=int, default=4)
    shape.add_argument("--heads", type=int, default=6)
    shape.add_argument("--kv-heads", type=int, default=6)
    shape.add_argument("--feed-forward", type=int, default=512)
    shape.add_argument("--theta", type=float, default=10000.0)
    training = parser.add_argument_group("training")
    training.add_argument("--rate", type=float, default=3e-3, help="of AdamW")
    training.add_argument("--muon-rate", type=float, default=0.02)
    training.add_argument("--weight-decay", type=float, default=0.05)
    training.add_argument("--first-batch-tokens", type=int, default=4096)
    training.add_argument("--batch-tokens", type=int, default=8192, help="reached after 40 %% of the time")
    training.add_argument("--warm-up-seconds", type=float, default=60.0)
    training.add_argument("--max-tokens", type=int, default=640, help="longer conversations are left out")
    return parser.parse_args()


def create_model(options: argparse.Namespace) -> LanguageModel:
    config = ModelConfig(
        v=count_vocabulary(options.tokenizer),
        d=options.width,
        l=options.layers,
        h=options.heads,
        kv=options.kv_heads,
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
        self.recent: list[tuple[float, float]] = []

    def run(self) -> None:
        sources = [load_conversations(path) for path in self.options.data]
        next_checkpoint = self.options.checkpoint_minutes * 60
        last_log = 0.0
        self.started = time.time()
        for batch in iterate_batches(sources, self.rng, self.options.max_tokens, self.batch_tokens):
            if self.fraction() >= 1:
                break
            norm = self.step(batch)
            elapsed = self.elapsed()
            if elapsed - last_log > LOG_SECONDS:
                last_log = elapsed
                self.log(norm)
            if elapsed > next_checkpoint:
                next_checkpoint += self.options.checkpoint_minutes * 60
                self.save(f"checkpoint_{round(elapsed / 60):03d}.pt")
        self.save("final.pt")
        print("done", self.steps, "steps", self.tokens, "tokens", flush=True)

    def elapsed(self) -> float:
        return time.time() - self.started

    def fraction(self) -> float:
        """Of the time that has passed."""
        return self.elapsed() / (self.options.minutes * 60)

    def batch_tokens(self) -> int:
        first, last = self.options.first_batch_tokens, self.options.batch_tokens
        return int(first + (last - first) * min(1.0, self.fraction() * 2.5))

    def rate(self) -> float:
        """Factor of the base learning rates."""
        warm = min(1.0, (self.elapsed() + 1) / self.options.warm_up_seconds)
        return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.fraction())))

    def step(self, batch: Batch) -> float:
        """Returns the norm of the gradient."""
        self._set_rate()
        device = self.options.device
        ids = torch.from_numpy(batch[0]).to(device)
        mask = torch.from_numpy(batch[1]).to(device)
        selected = mask[:, 1:].bool()
        wanted = ids[:, 1:][selected]
        with torch.autocast(device, torch.bfloat16):
            logits = self.model.logits(self.model.hidden(ids[:, :-1])[selected])
        loss = F.cross_entropy(logits.float(), wanted)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.steps += 1
        self.tokens += batch[2]
        right = (logits.argmax(-1) == wanted).float().mean().item()
        self.recent.append((loss.item(), right))
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
        }
        torch.save(checkpoint, self.options.out / name)


if __name__ == "__main__":
    main()
