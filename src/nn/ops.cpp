#include "nn/ops.h"

namespace bantam {

std::vector<FloatTensor> Ops::linears(const FloatTensor& x, std::span<const Linear* const> layers) {
  std::vector<FloatTensor> results;
  results.reserve(layers.size());
  for (const Linear* layer : layers) results.push_back(linear(x, *layer));
  return results;
}

FloatTensor Ops::gated(const FloatTensor& gate, const FloatTensor& up, Activation activation) {
  return multiply(activate(gate, activation), up);
}

}  // namespace bantam
