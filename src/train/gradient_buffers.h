// Zeroed buffers that are taken and given back in any order: gradients of a tape's values.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

#include "tensor/arena.h"

namespace bantam {

// One thread. Memory is reused by size, and is given up by reset() for sizes to come.
class GradientBuffers {
 public:
  float* take(std::int64_t floats) {
    std::vector<float*>& free = free_[floats];
    if (free.empty()) free.push_back(arena_.alloc<float>(static_cast<std::size_t>(floats)));
    float* const buffer = free.back();
    free.pop_back();
    std::memset(buffer, 0, static_cast<std::size_t>(floats) * sizeof(float));
    return buffer;
  }
  void give_back(float* buffer, std::int64_t floats) { free_[floats].push_back(buffer); }
  void reset() {
    free_.clear();
    arena_.reset();
  }
  std::size_t capacity() const { return arena_.capacity(); }

 private:
  Arena arena_;
  std::map<std::int64_t, std::vector<float*>> free_;
};

}  // namespace bantam
