#!/usr/bin/env python3
"""Writes train/distillation.safetensors: what PyTorch computes when a student learns from a teacher's logits and layers.

    pip install torch transformers safetensors
    python make_distillation_goldens.py

Teacher and student are the checkpoints models/llama3_tied and models/head_dim, of different widths. The file holds the ids
and targets of two sequences, a projection from the student's width to the teacher's for each pair of layers, and in
float64, rounded to float32:
    loss     (1 - WEIGHT) cross-entropy + WEIGHT T² KL(teacher || student) + HIDDEN mean over pairs of the mean squared
             error between the student's projected layer and the teacher's
    hidden   that mean alone
    d.NAME   its gradient with respect to each tensor of the student and each projection
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
WEIGHT, TEMPERATURE, HIDDEN = 0.3, 2.0, 1.5
PAIRS = ((0, 0), (1, 2), (2, 1))  # of the student, of the teacher; 0 is the embedding


def load(name):
    model = AutoModelForCausalLM.from_pretrained(HERE / "models" / name, dtype=torch.float64, attn_implementation="eager")
    layers = {}
    model.model.embed_tokens.register_forward_hook(lambda _, __, out: layers.__setitem__(0, out))
    for number, layer in enumerate(model.model.layers, 1):
        keep = lambda _, __, out, number=number: layers.__setitem__(number, out[0] if isinstance(out, tuple) else out)
        layer.register_forward_hook(keep)
    return model, layers


def main():
    torch.manual_seed(3)
    teacher, teacher_layers = load("llama3_tied")
    student, student_layers = load("head_dim")
    ids = torch.randint(0, 96, (2, 25))
    inputs, targets = ids[:, :-1], ids[:, 1:]
    widths = teacher.config.hidden_size, student.config.hidden_size
    assert widths[0] != widths[1]
    projections = [torch.randn(widths).mul(widths[1] ** -0.5).float() for _ in PAIRS]
    wide = [p.double().requires_grad_() for p in projections]
    with torch.no_grad():
        teacher_logits = teacher(inputs).logits.reshape(-1, 96)
    logits = student(inputs).logits.reshape(-1, 96)
    hard = F.cross_entropy(logits, targets.reshape(-1))
    soft = F.kl_div(F.log_softmax(logits / TEMPERATURE, -1), F.log_softmax(teacher_logits / TEMPERATURE, -1),
                    log_target=True, reduction="batchmean") * TEMPERATURE**2
    errors = [F.mse_loss(student_layers[s] @ p.T, teacher_layers[t]) for (s, t), p in zip(PAIRS, wide)]
    hidden = sum(errors) / len(errors)
    loss = (1 - WEIGHT) * hard + WEIGHT * soft + HIDDEN * hidden
    loss.backward()
    tensors = {"ids": inputs.to(torch.int32).contiguous(), "targets": targets.to(torch.int32).contiguous(),
               "loss": loss.detach().reshape(1).float(), "hidden": hidden.detach().reshape(1).float()}
    for i, (p, w) in enumerate(zip(projections, wide)):
        tensors[f"projection.{i}"], tensors[f"d.projection.{i}"] = p, w.grad.float()
    for name, value in student.named_parameters():
        tensors["d." + name] = value.grad.float().contiguous()
    save_file(tensors, HERE / "train" / "distillation.safetensors")


if __name__ == "__main__":
    main()
