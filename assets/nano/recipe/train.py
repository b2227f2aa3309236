"""Step 2: train the nano checkpoint on stream.npy, with transformers' own StarCoder2, on a CPU.

    python train.py --hours 1.7 --out nano

Muon for the matrices, AdamW for the rest, constant rate and then linear decay over the time given. Prints the loss and,
now and then, bits a byte on the held-out files. Needs torch and transformers; about 1,600 tokens/s on two cores.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import time

import numpy as np
import torch
from transformers import Starcoder2Config, Starcoder2ForCausalLM

LENGTH, BATCH = 512, 16
RATE_MATRICES, RATE_REST = 0.02, 3e-3


def orthogonal(g: torch.Tensor) -> torch.Tensor:
    """Newton-Schulz iteration of Muon: the nearest (semi-)orthogonal matrix, roughly."""
    x = g / (g.norm() + 1e-7)
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x if wide else x.T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.7)
    parser.add_argument("--out", default="nano")
    args = parser.parse_args()
    torch.manual_seed(0)
    model = Starcoder2ForCausalLM(
        Starcoder2Config(
            vocab_size=6144,
            hidden_size=256,
            intermediate_size=1024,
            num_hidden_layers=6,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            sliding_window=256,
            use_bias=True,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
            bos_token_id=0,
            eos_token_id=0,
            embedding_dropout=0,
            residual_dropout=0,
            attention_dropout=0,
        )
    )
    stream, held = np.load("stream.npy"), np.load("hold.npy")
    held_bytes_per_token = json.loads(pathlib.Path("hold.json").read_text())["held_out_bytes"] / len(held)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "embed" not in n)]
    momenta = [torch.zeros_like(p) for p in matrices]
    adam = torch.optim.AdamW(rest, lr=RATE_REST, betas=(0.9, 0.95), weight_decay=0.0)

    def loss_of(ids: torch.Tensor) -> torch.Tensor:
        hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
        logits = torch.nn.functional.linear(hidden, model.lm_head.weight)
        return torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))

    @torch.no_grad()
    def bits_per_byte(pieces: int = 24) -> float:
        model.eval()
        total = sum(
            loss_of(torch.from_numpy(held[i * LENGTH : (i + 1) * LENGTH].astype(np.int64))[None]).item()
            for i in range(pieces)
        )
        model.train()
        return total / pieces / math.log(2) / held_bytes_per_token

    order = np.random.default_rng(0).permutation(len(stream) // LENGTH)
    start, step, budget = time.time(), 0, args.hours * 3600
    while (spent := (time.time() - start) / budget) < 1:
        rate = min(1, (step + 1) / 60) * (1 if spent < 0.3 else max(0.02, (1 - spent) / 0.7))
        rows = [order[(step * BATCH + k) % len(order)] for k in range(BATCH)]
        ids = torch.from_numpy(np.stack([stream[r * LENGTH : (r + 1) * LENGTH] for r in rows]).astype(np.int64))
        loss = loss_of(ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        adam.param_groups[0]["lr"] = RATE_REST * rate
        adam.step()
        with torch.no_grad():
            for p, m in zip(matrices, momenta, strict=True):
                m.mul_(0.95).add_(p.grad)
                update = orthogonal(p.grad.add(m, alpha=0.95))
                p.mul_(1 - 0.05 * RATE_MATRICES * rate)
                p.add_(update, alpha=-RATE_MATRICES * rate * max(1, p.shape[0] / p.shape[1]) ** 0.5)
        model.zero_grad(set_to_none=True)
        step += 1
        if step % 50 == 0:
            print(f"step {step}  loss {loss.item():.3f}  {time.time() - start:.0f} s", flush=True)
        if step % 250 == 0:
            print(f"    held out: {bits_per_byte():.3f} bits a byte", flush=True)
            model.save_pretrained(args.out)
    print(f"held out: {bits_per_byte():.3f} bits a byte")
    model.save_pretrained(args.out)


if __name__ == "__main__":
    main()
