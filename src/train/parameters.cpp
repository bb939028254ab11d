#include "train/parameters.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace bantam {
namespace {

constexpr std::size_t kStretch = 1024;  // of the norm: so many floats are one float sum

}  // namespace

TensorView Parameter::view() const {
  return {DType::kF32, shape, reinterpret_cast<const std::byte*>(value)};
}

Result<std::unique_ptr<Parameters>> Parameters::create(std::vector<Parameter> outlines) {
  auto made = std::unique_ptr<Parameters>(new Parameters);
  std::size_t total = 0, tied = 0;
  for (const Parameter& parameter : outlines) {
    CHECK(std::ranges::count(outlines, parameter.name, &Parameter::name) == 1, "{} twice",
          parameter.name);
    total += static_cast<std::size_t>(parameter.size());
    if (parameter.tied) tied += static_cast<std::size_t>(parameter.size());
  }
  TRY(made->arena_.reserve((2 * total + tied) * sizeof(float) + 3 * Arena::kAlignment));
  made->values_ = made->arena_.alloc_span<float>(total);
  made->gradients_ = made->arena_.alloc_span<float>(total);
  made->lookups_ = made->arena_.alloc_span<float>(tied);
  std::ranges::fill(made->values_, 0.0F);
  made->zero_gradients();
  std::size_t at = 0, lookup = 0;
  for (Parameter& parameter : outlines) {
    parameter.value = made->values_.data() + at;
    parameter.gradient = made->gradients_.data() + at;
    parameter.lookup_gradient =
        parameter.tied ? made->lookups_.data() + lookup : parameter.gradient;
    at += static_cast<std::size_t>(parameter.size());
    if (parameter.tied) lookup += static_cast<std::size_t>(parameter.size());
  }
  made->parameters_ = std::move(outlines);
  return made;
}

const Parameter* Parameters::find(std::string_view name) const {
  const auto found = std::ranges::find(parameters_, name, &Parameter::name);
  return found == parameters_.end() ? nullptr : &*found;
}

float* Parameters::gradient_of(const TensorView& view) const {
  const auto* first = reinterpret_cast<const float*>(view.data);
  // std::less orders pointers into different objects, too.
  const std::less<const float*> before;
  const float* const begin = values_.data();
  const float* const end = begin + values_.size();
  if (first == nullptr || before(first, begin) || !before(first, end)) return nullptr;
  return gradients_.data() + (first - begin);
}

float* Parameters::lookup_gradient_of(const TensorView& view) const {
  const auto* first = reinterpret_cast<const float*>(view.data);
  const auto found = std::ranges::find(parameters_, first, &Parameter::value);
  return found == parameters_.end() ? nullptr : found->lookup_gradient;
}

void Parameters::zero_gradients() {
  std::ranges::fill(gradients_, 0.0F);
  std::ranges::fill(lookups_, 0.0F);
}

void Parameters::join(const KernelTable& kernels) {
  for (const Parameter& parameter : parameters_)
    if (parameter.tied)
      kernels.add(parameter.gradient, parameter.lookup_gradient, parameter.gradient,
                  parameter.size());
  std::ranges::fill(lookups_, 0.0F);
}

double Parameters::gradient_norm(const KernelTable& kernels) const {
  double total = 0;
  for (std::size_t at = 0; at < gradients_.size(); at += kStretch) {
    const std::span<float> part =
        gradients_.subspan(at, std::min(kStretch, gradients_.size() - at));
    total += static_cast<double>(
        kernels.dot(part.data(), part.data(), static_cast<std::int64_t>(part.size())));
  }
  return std::sqrt(total);
}

}  // namespace bantam
