// What was computed, in order, and how to differentiate it: the part of TapeOps that knows nothing
// of what the operations mean.
//
// A value is known by the address of its numbers. An operation sees it under some shape; a step is
// a function that computes its outputs (called at once, and again for a forgotten scope) and one
// that differentiates. See tape_ops.h for scopes and for what is kept how long.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "tensor/arena.h"
#include "tensor/tensor.h"
#include "train/gradient_buffers.h"

namespace bantam {

class Tape {
 public:
  // A tensor as an operation saw it: a value of the tape, or a constant.
  class Operand {
   public:
    const Shape& shape() const { return seen_.shape; }

   private:
    friend class Tape;
    std::int64_t value_ = -1;  // -1: a constant
    FloatTensor seen_;         // of a value only the shape
  };
  using Compute = std::function<std::vector<FloatTensor>()>;
  // One gradient an output; no data where nothing depended on it.
  using Differentiate = std::function<void(std::span<const FloatTensor> gradients)>;

  explicit Tape(Arena& arena) : arena_(arena) {}  // that compute functions allocate from

  Operand operand(const FloatTensor& x) const;
  FloatTensor numbers(const Operand& operand) const;
  // Whether its gradient leads anywhere.
  bool wanted(const Operand& operand) const;
  // To add to; no data if it is not wanted.
  FloatTensor gradient(const Operand& operand);

  // Calls `compute` and remembers both. `wanted`: whether some input is wanted or a parameter takes
  // part; else `differentiate` is never called.
  std::vector<FloatTensor> record(bool wanted, Compute compute, Differentiate differentiate);
  // What output number `index` of the next record() will be, for its `differentiate` to read.
  Operand next_output(std::size_t index, const Shape& shape) const;

  void leaf(const FloatTensor& x);
  void begin_scope(bool forget);
  FloatTensor end_scope(const FloatTensor& keep);
  void backward(const FloatTensor& result, const FloatTensor& gradient);
  void reset();
  std::size_t bytes() const { return buffers_.capacity(); }  // held for gradients

 private:
  struct Value {
    FloatTensor numbers;
    float* gradient = nullptr;  // null: zero so far
    bool wanted = false;
  };
  struct Step {
    std::vector<std::size_t> outputs;
    Compute compute;
    Differentiate differentiate;  // empty: nothing to do
  };
  // A scope that was forgotten is one step made of others.
  struct Scope {
    bool forget = false;
    std::size_t first_step = 0, first_value = 0;
    Arena::Mark mark{};
  };

  std::size_t add_value(const FloatTensor& numbers, bool wanted);
  void forget_scope(const Scope& scope, std::size_t kept, const FloatTensor& moved);
  void differentiate(std::vector<Step>& steps);
  void compute_again(std::vector<Step>& steps);

  Arena& arena_;
  GradientBuffers buffers_;
  std::vector<Value> values_;
  std::vector<Step> steps_;
  std::vector<Scope> scopes_;
  std::unordered_map<const float*, std::size_t> known_;
  bool differentiated_ = false;
};

}  // namespace bantam
