"""Adapters as PEFT writes them, for the tests of the program."""

import json
import random
import struct
import subprocess


def write_peft(binary, model, folder, size):
    """A LoRA of the first layer's queries of a llama, with a B whose values have that size."""
    shown = json.loads(subprocess.run([binary, "show", str(model), "--json"], capture_output=True,
                                      text=True, timeout=60, check=True).stdout)
    width = shown["metadata"]["llama.embedding_length"]
    generator = random.Random(1)
    values = [generator.gauss(0, 1) for _ in range(4 * width)]
    values += [size * generator.gauss(0, 1) for _ in range(4 * width)]
    prefix, half = "base_model.model.model.layers.0.self_attn.q_proj.lora_", 16 * width
    header = json.dumps({
        prefix + "A.weight": {"dtype": "F32", "shape": [4, width], "data_offsets": [0, half]},
        prefix + "B.weight": {"dtype": "F32", "shape": [width, 4],
                              "data_offsets": [half, 2 * half]}}).encode()
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header + struct.pack(f"<{8 * width}f", *values))
    (folder / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}')
