// What training does to one row at a time: the derivatives of rowwise.h, and the steps of
// optimizers.
//
// Members of KernelTable, called as kernels.rms_norm_backward(…); the laws of kernels.h hold: the
// same bits on every table. n counts floats; nothing need be aligned. d… names are derivatives of
// the loss. Those of inputs are added to what is there, so that a value used twice gets both parts.
//
//   rms_norm_backward     dx += r (w dy) - x r³ / n · Σ(w dy x), r = 1 / sqrt(mean(x²) + ε); weight
//                         w may be null (ones). Returns r: what rms_norm multiplied by
//   add_product           inout = fma(a · factor, b, inout): a norm's weight (dy, x, r), the other
//                         side of a product (dy, b, 1)
//   dot                   Σ a b, in the sixteen lanes of kernels.h
//   activate_backward[a]  dx += dy · activation'(x); relu'(0) = 0
//   gated_backward[a]     dgate += dy · up · activation'(gate); dup += dy · activation(gate)
//   softmax_backward      ds = p (dp - Σ p dp) · factor, in the place of dp
//   exponential_shifted   x = exp(x - shift) · factor, in place: with shift = log Σ exp x the
//                         derivative of a cross-entropy, all but the target's - factor
//   adamw                 one step on n values, see AdamwStep
#pragma once

#include <cstdint>

namespace bantam {

// Loshchilov and Hutter, "Decoupled weight decay regularization", 2019:
//   m = β1 m + (1 - β1) g;  v = β2 v + (1 - β2) g²
//   w = w - rate (m / bias1 / (sqrt(v / bias2) + ε) + decay w)
struct AdamwStep {
  float rate = 0, beta1 = 0.9F, beta2 = 0.999F, epsilon = 1e-8F, decay = 0;
  float bias1 = 1, bias2 = 1;  // 1 - β1^step, 1 - β2^step, step counted from one
  float scale = 1;             // gradients are multiplied by it first
};

}  // namespace bantam
