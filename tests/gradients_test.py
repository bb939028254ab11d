#!/usr/bin/env python3
"""The trainer against PyTorch: losses, every gradient, and a hundred steps of AdamW and of Muon.

usage: tests/gradients_test.py WRITE_GRADIENTS

PyTorch computes in double precision from the same weights. Exit code 77 (skipped) without it.
"""

import json
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

try:
    import torch
except ImportError:
    torch = None

PROGRAM = None
# Relative to the largest element of a tensor's gradient; a float has 6e-8, and the sums are short.
GRADIENT_TOLERANCE = 2e-4
CURVE_TOLERANCE = 1e-3


def read_safetensors(path):
    """{name: float64 tensor}."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = bytearray(data[8 + length + begin:8 + length + end])
        assert entry["dtype"] == "F32", entry
        flat = torch.frombuffer(values, dtype=torch.float32)
        tensors[name] = flat.reshape(entry["shape"]).double().clone()
    return tensors


class Model:
    """The Llama and Qwen3 families, from their papers."""

    def __init__(self, weights, numbers):
        self.weights, self.numbers = weights, numbers

    def linear(self, x, name):
        weight = self.weights[name + ".weight"]
        a = self.weights.get(name + ".weight.lora_a")
        if a is not None:  # DoRA: the length counts as a constant
            b, lengths = (self.weights[f"{name}.weight.lora_{part}"] for part in ("b", "magnitude"))
            weight = weight + self.numbers["adapter_scale"] * b @ a
            weight = weight * (lengths / weight.norm(dim=1).detach())[:, None]
        return torch.nn.functional.linear(x, weight, self.weights.get(name + ".bias"))

    def trained(self):
        adapter = "adapter_scale" in self.numbers
        return {name: w for name, w in self.weights.items() if not adapter or ".lora_" in name}

    def norm(self, x, name):
        scale = torch.rsqrt((x * x).mean(-1, keepdim=True) + self.numbers["epsilon"])
        return x * scale * self.weights[name + ".weight"]

    def rotate(self, x):  # (T, heads, D)
        width = x.shape[-1]
        pairs = torch.arange(0, width, 2, dtype=torch.float64) / width
        angles = torch.outer(torch.arange(x.shape[0], dtype=torch.float64),
                             self.numbers["rope_base"] ** -pairs)[:, None]
        if self.numbers["architecture"] == "qwen3":
            a, b = x[..., :width // 2], x[..., width // 2:]
        else:
            a, b = x[..., 0::2], x[..., 1::2]
        turned = (a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin())
        if self.numbers["architecture"] == "qwen3":
            return torch.cat(turned, -1)
        return torch.stack(turned, -1).flatten(-2)

    def heads(self, x, count, norm):
        x = x.reshape(x.shape[0], count, self.numbers["head_width"])
        return self.norm(x, norm) if norm + ".weight" in self.weights else x

    def attend(self, x, prefix):
        n = self.numbers
        q = self.heads(self.linear(x, prefix + "attn_q"), n["heads"], prefix + "attn_q_norm")
        k = self.heads(self.linear(x, prefix + "attn_k"), n["kv_heads"], prefix + "attn_k_norm")
        v = self.linear(x, prefix + "attn_v").reshape(x.shape[0], n["kv_heads"], -1)
        group = n["heads"] // n["kv_heads"]
        q, k = self.rotate(q), self.rotate(k).repeat_interleave(group, 1)
        scores = torch.einsum("qhd,khd->hqk", q, k) / n["head_width"] ** 0.5
        unseen = torch.ones(x.shape[0], x.shape[0], dtype=torch.bool).triu(1)
        shares = scores.masked_fill(unseen, float("-inf")).softmax(-1)
        mixed = torch.einsum("hqk,khd->qhd", shares, v.repeat_interleave(group, 1))
        return self.linear(mixed.flatten(1), prefix + "attn_output")

    def logits(self, ids):
        x = self.weights["token_embd.weight"][ids]
        for layer in range(self.numbers["layers"]):
            prefix = f"blk.{layer}."
            x = x + self.attend(self.norm(x, prefix + "attn_norm"), prefix)
            h = self.norm(x, prefix + "ffn_norm")
            gate = torch.nn.functional.silu(self.linear(h, prefix + "ffn_gate"))
            x = x + self.linear(gate * self.linear(h, prefix + "ffn_up"), prefix + "ffn_down")
        x = self.norm(x, "output_norm")
        head = "output" if "output.weight" in self.weights else "token_embd"
        return torch.nn.functional.linear(x, self.weights[head + ".weight"])

    def loss(self):
        total, weight = 0, 0
        for example in self.numbers["examples"]:
            ids = torch.tensor(example["ids"])
            weights = torch.tensor(example["weights"], dtype=torch.float64)[1:]
            losses = torch.nn.functional.cross_entropy(self.logits(ids[:-1]), ids[1:],
                                                       reduction="none")
            total, weight = total + (losses * weights).sum(), weight + weights.sum()
        return total / weight


class Muon:
    """Jordan et al., 2024, with the polynomials of Amsel et al., 2025; decay where it agrees with
    the step."""

    POLYNOMIALS = ((8.1566, -22.4833, 15.8788), (4.0429, -2.8089, 0.5000),
                   (3.8917, -2.7725, 0.5061), (3.2858, -2.3681, 0.4645),
                   (2.3465, -1.7098, 0.4232))

    def __init__(self, weights, numbers):
        self.weights, self.numbers, self.steps = weights, numbers, 0
        self.means = [torch.zeros_like(w) for w in weights]

    def orthogonal(self, x):
        norm = x.norm()
        if norm == 0:
            return x
        x = x / (1.01 * norm)
        for a, b, c in self.POLYNOMIALS:
            if x.shape[0] <= x.shape[1]:
                gram = x @ x.T
                x = a * x + (b * gram + c * gram @ gram) @ x
            else:
                gram = x.T @ x
                x = a * x + x @ (b * gram + c * gram @ gram)
        return x

    def step(self):
        n = self.numbers
        self.steps += 1
        share = min(1.0, self.steps / n["momentum_steps"])
        keep = n["first_momentum"] + share * (n["momentum"] - n["first_momentum"])
        for weight, mean in zip(self.weights, self.means):
            mean.mul_(keep).add_(weight.grad, alpha=1 - keep)
            direction = self.orthogonal(keep * mean + (1 - keep) * weight.grad)
            decay = n["decay"] * weight.data * (direction * weight.data > 0)
            rows, columns = weight.shape
            length = max(1.0, rows / columns) ** 0.5
            weight.data -= n["rate"] * (length * direction + decay)


class Gradients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        subprocess.run([PROGRAM, cls.folder.name], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def models(self):
        for path in sorted(Path(self.folder.name).glob("*.json")):
            numbers = json.loads(path.read_text())
            weights = read_safetensors(path.with_suffix(".weights.safetensors"))
            for tensor in weights.values():
                tensor.requires_grad_()
            yield path, numbers, Model(weights, numbers)

    def test_losses_and_gradients_agree(self):
        for path, numbers, model in self.models():
            loss = model.loss()
            loss.backward()
            self.assertAlmostEqual(loss.item(), numbers["curve"][0], delta=1e-5)
            ours = read_safetensors(path.with_suffix(".gradients.safetensors"))
            self.assertEqual(sorted(ours), sorted(model.trained()))
            for name, gradient in ours.items():
                want = model.weights[name].grad
                error, largest = (gradient - want).abs().max(), want.abs().max()
                # Equal where all are zero: behind a matrix that begins with zeros.
                self.assertLessEqual(error.item(), GRADIENT_TOLERANCE * largest.item(),
                                     f"{path.stem}: {name}")

    @staticmethod
    def optimizers(numbers, weights):
        """AdamW of all, or of what Muon leaves to it."""
        adamw, matrices = numbers["adamw"], [n for n, w in weights.items() if w.ndim > 1]
        stepped = [n for n in matrices if "muon" in numbers and not n.startswith("token_embd")]
        decayed = [weights[n] for n in matrices if n not in stepped]
        optimizers = [torch.optim.AdamW(
            [{"params": decayed, "weight_decay": adamw["decay"]},
             {"params": [w for w in weights.values() if w.ndim == 1], "weight_decay": 0.0}],
            lr=adamw["rate"], betas=(adamw["beta1"], adamw["beta2"]), eps=adamw["epsilon"])]
        if stepped:
            optimizers.append(Muon([weights[n] for n in stepped], numbers["muon"]))
        return optimizers

    def test_a_hundred_steps_agree(self):
        for path, numbers, model in self.models():
            weights = list(model.trained().values())
            optimizers = self.optimizers(numbers, model.trained())
            for step, ours in enumerate(numbers["curve"]):
                for weight in weights:
                    weight.grad = None
                loss = model.loss()
                self.assertAlmostEqual(loss.item(), ours, delta=CURVE_TOLERANCE * (1 + ours),
                                       msg=f"{path.stem}: step {step + 1}")
                loss.backward()
                norm = sum((w.grad ** 2).sum() for w in weights) ** 0.5
                for weight in weights:
                    weight.grad *= min(1.0, numbers["clip"] / norm.item())
                for optimizer in optimizers:
                    optimizer.step()
            self.assertLess(numbers["curve"][-1], 0.8 * numbers["curve"][0], path.stem)


if __name__ == "__main__":
    if torch is None:
        print("skipped: needs python3-torch")
        sys.exit(77)
    PROGRAM = sys.argv.pop(1)
    torch.set_num_threads(1)
    unittest.main()
