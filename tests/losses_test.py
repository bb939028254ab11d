#!/usr/bin/env python3
"""Preference and distillation losses, and their derivatives, against PyTorch's automatic ones.

usage: tests/losses_test.py WRITE_LOSSES

The formulas are written down from the papers that train/losses.h names. Exit code 77 (skipped)
without PyTorch.
"""

import json
import subprocess
import sys
import unittest

try:
    import torch
    from torch.nn.functional import logsigmoid
except ImportError:
    torch = None

PROGRAM = None
LOSS_TOLERANCE = 1e-12        # both are doubles
WEIGHT_TOLERANCE = 1e-6       # weights of rows are floats
DIVERGENCE_TOLERANCE = 1e-10  # differences of exponentials


def preference(case, answers):
    (w, rw, nw), (l, rl, nl) = answers
    beta, kind = case["beta"], case["kind"]
    margin = (w - rw) - (l - rl)
    if kind == "dpo":
        epsilon = case["smoothing"]
        loss = (-(1 - epsilon) * logsigmoid(beta * margin) - epsilon * logsigmoid(-beta * margin))
    elif kind == "ipo":
        loss = (margin - 1 / (2 * beta)) ** 2
    elif kind == "hinge":
        loss = torch.relu(1 - beta * margin)
    elif kind == "simpo":
        loss = -logsigmoid(beta * (w / nw - l / nl) - case["margin"])
    else:
        def odds(mean):
            return mean - torch.log1p(-torch.exp(mean))
        loss = -w / nw - beta * logsigmoid(odds(w / nw) - odds(l / nl))
    return loss - case["chosen_nll"] * w / nw


def kto(case, answers, label):
    (w, reference, _), = answers
    z = case["beta"] * (w - reference - case["reference_point"])
    if label > 0:
        return case["good_weight"] * (1 - torch.sigmoid(z))
    return case["bad_weight"] * (1 - torch.sigmoid(-z))


def divergence(case, student):
    temperature, mix = case["temperature"], case["mix"]
    log_p = torch.log_softmax(torch.tensor(case["teacher"]) / temperature, 0)
    log_q = torch.log_softmax(student / temperature, 0)
    p, q = log_p.exp(), log_q.exp()

    def kl(a, b):
        return (a * (a.log() - b.log())).sum()
    value = {"forward": lambda: kl(p, q), "reverse": lambda: kl(q, p),
             "jensen-shannon": lambda: mix * kl(p, mix * p + (1 - mix) * q) +
                                       (1 - mix) * kl(q, mix * p + (1 - mix) * q),
             "skew": lambda: kl(p, mix * p + (1 - mix) * q),
             "total-variation": lambda: 0.5 * (p - q).abs().sum()}[case["kind"]]()
    return temperature ** 2 * value


class LossesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_default_dtype(torch.float64)
        done = subprocess.run([PROGRAM], capture_output=True, check=True, timeout=60)
        cls.cases = json.loads(done.stdout)

    def close(self, ours, theirs, tolerance, case):
        scale = max(1.0, float(theirs.abs().max()))
        worst = float((torch.tensor(ours) - theirs).abs().max())
        self.assertLessEqual(worst, tolerance * scale, case["kind"])

    def test_losses_of_answers(self):
        kinds = set()
        for case in self.cases:
            if "answers" not in case:
                continue
            kinds.add(case["kind"])
            logprobs, answers = [], []
            for answer in case["answers"]:
                logprobs.append(torch.tensor(answer["logprobs"], requires_grad=True))
                weights = torch.tensor(answer["weights"])
                answers.append(((weights * logprobs[-1]).sum(), answer["reference"],
                                weights.sum()))
            if case["kind"] == "kto":
                loss = kto(case, answers, case["answers"][0]["label"])
            else:
                loss = preference(case, answers)
            loss.backward()
            self.close(case["loss"], loss.detach(), LOSS_TOLERANCE, case)
            for answer, given in zip(case["answers"], logprobs):
                self.close(answer["derivatives"], given.grad, WEIGHT_TOLERANCE, case)
        self.assertEqual(kinds, {"dpo", "ipo", "hinge", "simpo", "orpo", "kto"})

    def test_divergences(self):
        kinds = set()
        for case in self.cases:
            if "teacher" not in case:
                continue
            kinds.add(case["kind"])
            student = torch.tensor(case["student"], requires_grad=True)
            loss = divergence(case, student)
            loss.backward()
            self.close(case["loss"], loss.detach(), DIVERGENCE_TOLERANCE, case)
            self.close(case["derivatives"], student.grad, DIVERGENCE_TOLERANCE, case)
        self.assertEqual(kinds, {"forward", "reverse", "jensen-shannon", "skew",
                                 "total-variation"})


if __name__ == "__main__":
    if torch is None:
        print("PyTorch is not installed (python3-torch)")
        sys.exit(77)
    PROGRAM = sys.argv.pop()
    unittest.main(argv=sys.argv[:1])
