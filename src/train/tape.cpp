#include "train/tape.h"

#include <cstring>
#include <memory>
#include <utility>

#include "base/result.h"

namespace bantam {

Tape::Operand Tape::operand(const FloatTensor& x) const {
  Operand operand;
  operand.seen_ = x;
  const auto found = known_.find(x.data);
  if (found == known_.end()) return operand;
  CHECK(values_[found->second].numbers.shape.elements() == x.shape.elements(), "{} seen as {}",
        values_[found->second].numbers.shape.to_string(), x.shape.to_string());
  operand.value_ = static_cast<std::int64_t>(found->second);
  return operand;
}

FloatTensor Tape::numbers(const Operand& operand) const {
  if (operand.value_ < 0) return operand.seen_;
  return {operand.seen_.shape, values_[static_cast<std::size_t>(operand.value_)].numbers.data};
}

bool Tape::wanted(const Operand& operand) const {
  return operand.value_ >= 0 && values_[static_cast<std::size_t>(operand.value_)].wanted;
}

FloatTensor Tape::gradient(const Operand& operand) {
  if (!wanted(operand)) return {operand.seen_.shape, nullptr};
  Value& value = values_[static_cast<std::size_t>(operand.value_)];
  if (value.gradient == nullptr) value.gradient = buffers_.take(operand.seen_.shape.elements());
  return {operand.seen_.shape, value.gradient};
}

std::size_t Tape::add_value(const FloatTensor& numbers, bool wanted) {
  values_.push_back({.numbers = numbers, .wanted = wanted});
  known_[numbers.data] = values_.size() - 1;
  return values_.size() - 1;
}

std::vector<FloatTensor> Tape::record(bool wanted, Compute compute, Differentiate differentiate) {
  CHECK(!differentiated_);
  std::vector<FloatTensor> outputs = compute();
  Step step{.outputs = {}, .compute = std::move(compute), .differentiate = {}};
  for (const FloatTensor& output : outputs) step.outputs.push_back(add_value(output, wanted));
  if (wanted) step.differentiate = std::move(differentiate);
  steps_.push_back(std::move(step));
  return outputs;
}

Tape::Operand Tape::next_output(std::size_t index, const Shape& shape) const {
  Operand operand;
  operand.value_ = static_cast<std::int64_t>(values_.size() + index);
  operand.seen_.shape = shape;
  return operand;
}

void Tape::leaf(const FloatTensor& x) { add_value(x, true); }

void Tape::begin_scope(bool forget) {
  // Inside a forgotten scope everything is forgotten already.
  const bool inside = !scopes_.empty() && scopes_.back().forget;
  scopes_.push_back({.forget = forget && !inside,
                     .first_step = steps_.size(),
                     .first_value = values_.size(),
                     .mark = arena_.mark()});
}

FloatTensor Tape::end_scope(const FloatTensor& keep) {
  CHECK(!scopes_.empty());
  const Scope scope = scopes_.back();
  scopes_.pop_back();
  if (!scope.forget) return keep;
  const auto kept = known_.find(keep.data);
  CHECK(kept != known_.end() && kept->second >= scope.first_value,
        "a scope keeps what was made in it");
  arena_.rewind(scope.mark);
  // It moves down to where the scope began, perhaps over its own beginning.
  const FloatTensor moved = arena_.alloc_floats(keep.shape);
  std::memmove(moved.data, keep.data, keep.values().size_bytes());
  forget_scope(scope, kept->second, moved);
  return moved;
}

void Tape::forget_scope(const Scope& scope, std::size_t kept, const FloatTensor& moved) {
  for (std::size_t i = scope.first_value; i < values_.size(); ++i) {
    known_.erase(values_[i].numbers.data);
    values_[i].numbers.data = nullptr;
  }
  const auto first = steps_.begin() + static_cast<std::ptrdiff_t>(scope.first_step);
  auto inner = std::make_shared<std::vector<Step>>(std::make_move_iterator(first),
                                                   std::make_move_iterator(steps_.end()));
  steps_.erase(first, steps_.end());
  const bool wanted = values_[kept].wanted;
  const std::size_t out = add_value(moved, wanted);
  Step step{.outputs = {out}, .compute = {}, .differentiate = {}};
  if (wanted) {
    step.differentiate = [this, inner, kept](std::span<const FloatTensor> gradients) {
      const Arena::Mark mark = arena_.mark();
      compute_again(*inner);
      const FloatTensor& gradient = gradients[0];
      values_[kept].gradient = buffers_.take(gradient.shape.elements());
      std::memcpy(values_[kept].gradient, gradient.data, gradient.values().size_bytes());
      differentiate(*inner);
      arena_.rewind(mark);
    };
  }
  steps_.push_back(std::move(step));
}

void Tape::compute_again(std::vector<Step>& steps) {
  for (Step& step : steps) {
    const std::vector<FloatTensor> outputs = step.compute();
    for (std::size_t i = 0; i < outputs.size(); ++i) values_[step.outputs[i]].numbers = outputs[i];
  }
}

void Tape::differentiate(std::vector<Step>& steps) {
  std::vector<FloatTensor> gradients;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    gradients.clear();
    bool any = false;
    for (const std::size_t output : step->outputs) {
      gradients.push_back({values_[output].numbers.shape, values_[output].gradient});
      any = any || values_[output].gradient != nullptr;
    }
    if (any && step->differentiate) step->differentiate(gradients);
    for (const std::size_t output : step->outputs) {
      Value& value = values_[output];
      if (value.gradient == nullptr) continue;
      buffers_.give_back(value.gradient, value.numbers.shape.elements());
      value.gradient = nullptr;
    }
  }
}

void Tape::backward(const FloatTensor& result, const FloatTensor& gradient) {
  CHECK(scopes_.empty() && !differentiated_);
  CHECK(result.shape.elements() == gradient.shape.elements());
  differentiated_ = true;
  const FloatTensor sum = this->gradient(operand(result));
  if (sum.data == nullptr) return;  // nothing that trains took part
  const std::span<float> to = sum.values();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += gradient.data[i];
  differentiate(steps_);
}

void Tape::reset() {
  values_.clear();
  steps_.clear();
  scopes_.clear();
  known_.clear();
  buffers_.reset();
  differentiated_ = false;
}

}  // namespace bantam
