#!/usr/bin/env python3
"""Full training of bantam's smallest shape in PyTorch, in turn with `bantam bench --train`.

usage: bench/peers/torch_train.py [--threads N] [--tokens N] [--length N] [--repeats N]
                                  [--bantam build/release/bantam --rounds N]

Alone it prints PyTorch's tokens/s. With --bantam both run the same shape and batch, round by round,
and a table with the ratios is printed. The model is the Qwen3 family as its paper has it, in F32,
with AdamW; examples are a padded batch of equal lengths, which is the best case for PyTorch.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time

LAYERS, WIDTH, HEADS, KV_HEADS, HEAD_WIDTH, FFN, VOCAB = 8, 256, 4, 2, 64, 768, 4096
SHAPE = "bantam-7m"


def make_model(torch):
    functional = torch.nn.functional

    class Norm(torch.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(width))

        def forward(self, x):
            return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.weight

    def linear(inputs, outputs):
        layer = torch.nn.Linear(inputs, outputs, bias=False)
        torch.nn.init.normal_(layer.weight, std=1 / math.sqrt(inputs))
        return layer

    def rotate(x, cos, sin):
        low, high = x.chunk(2, -1)
        return torch.cat((low * cos - high * sin, high * cos + low * sin), -1)

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.ffn_norm = Norm(WIDTH), Norm(WIDTH)
            self.query = linear(WIDTH, HEADS * HEAD_WIDTH)
            self.key = linear(WIDTH, KV_HEADS * HEAD_WIDTH)
            self.value = linear(WIDTH, KV_HEADS * HEAD_WIDTH)
            self.output = linear(HEADS * HEAD_WIDTH, WIDTH)
            self.query_norm, self.key_norm = Norm(HEAD_WIDTH), Norm(HEAD_WIDTH)
            self.gate, self.up = linear(WIDTH, FFN), linear(WIDTH, FFN)
            self.down = linear(FFN, WIDTH)

        def forward(self, x, cos, sin, mask):
            batch, length, _ = x.shape
            y = self.norm(x)
            query = self.query_norm(self.query(y).view(batch, length, HEADS, HEAD_WIDTH))
            key = self.key_norm(self.key(y).view(batch, length, KV_HEADS, HEAD_WIDTH))
            value = self.value(y).view(batch, length, KV_HEADS, HEAD_WIDTH).transpose(1, 2)
            query = rotate(query.transpose(1, 2), cos, sin)
            key = rotate(key.transpose(1, 2), cos, sin)
            group = HEADS // KV_HEADS
            key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
            scores = query @ key.transpose(-1, -2) / math.sqrt(HEAD_WIDTH) + mask
            mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, -1)
            x = x + self.output(mixed)
            y = self.ffn_norm(x)
            return x + self.down(functional.silu(self.gate(y)) * self.up(y))

    class Model(torch.nn.Module):
        def __init__(self, length):
            super().__init__()
            self.embedding = torch.nn.Embedding(VOCAB, WIDTH)
            torch.nn.init.normal_(self.embedding.weight, std=0.02)
            self.layers = torch.nn.ModuleList(Layer() for _ in range(LAYERS))
            self.norm = Norm(WIDTH)
            angles = torch.outer(torch.arange(length).float(),
                                 1e4 ** (-torch.arange(0, HEAD_WIDTH, 2).float() / HEAD_WIDTH))
            self.cos, self.sin = angles.cos(), angles.sin()
            self.mask = torch.full((length, length), -math.inf).triu(1)

        def forward(self, ids):
            x = self.embedding(ids)
            for layer in self.layers:
                x = layer(x, self.cos, self.sin, self.mask)
            return functional.linear(self.norm(x), self.embedding.weight)

    return Model


def measure(options):
    """Tokens a second of the best step, after one that warms up."""
    import torch
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    rows = max(1, options.tokens // options.length)
    model = make_model(torch)(options.length - 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, foreach=True)
    best = math.inf
    for step in range(options.repeats + 1):
        ids = torch.randint(VOCAB, (rows, options.length))
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        logits = model(ids[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCAB), ids[:, 1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step > 0:
            best = min(best, time.perf_counter() - start)
    return {"tokens_per_s": rows * options.length / best, "loss": float(loss),
            "parameters": sum(p.numel() for p in model.parameters()), "torch": torch.__version__,
            "threads": torch.get_num_threads()}


def compare(options):
    words = [f"--threads={options.threads}", f"--tokens={options.tokens}",
             f"--length={options.length}", f"--repeats={options.repeats}"]
    bantam = [options.bantam, "bench", "--train", "--shape", SHAPE, "--full", "--json", *words]
    programs = {"torch": [sys.executable, __file__, *words], "bantam F32": bantam,
                "bantam Q8_0": [*bantam, "--type", "Q8_0"]}
    speeds = {name: [] for name in programs}
    for turn in range(options.rounds):
        for name, command in programs.items():
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            document = json.loads(done.stdout)
            speeds[name].append(document.get("train", document)["tokens_per_s"])
        print(f"round {turn + 1}:", {name: round(each[-1]) for name, each in speeds.items()})
    for name, each in speeds.items():
        ratios = [own / torch for own, torch in zip(each, speeds["torch"])]
        print(f"{name:<12} {statistics.median(each):8.0f} tokens/s   {statistics.median(ratios):5.2f} x")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=4096, help="of a step")
    parser.add_argument("--length", type=int, default=256, help="of an example")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bantam", help="the program to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.bantam:
        compare(options)
    else:
        print(json.dumps(measure(options)))


if __name__ == "__main__":
    main()
