// Memory for one step of a model: allocation is a pointer bump, and the step ends with reset().
//
// An arena belongs to one thread at a time. Memory is uninitialised, 64-byte aligned and never
// moves; it is valid until reset() and given back to the system only by the destructor, so a
// second step of the same shape allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "tensor/tensor.h"

namespace bantam {

class Arena {
 public:
  static constexpr std::size_t kAlignment = 64;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Room for `count` objects. CHECKs that the system has the memory: whoever starts a step has
  // reserved it, or counted it.
  template <typename T>
  T* alloc(std::size_t count) {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
    static_assert(alignof(T) <= kAlignment);
    std::size_t bytes = 0;
    CHECK(!__builtin_mul_overflow(count, sizeof(T), &bytes), "{} objects", count);
    return static_cast<T*>(static_cast<void*>(alloc_bytes(bytes)));
  }
  template <typename T>
  std::span<T> alloc_span(std::size_t count) {
    return {alloc<T>(count), count};
  }
  FloatTensor alloc_floats(const Shape& shape) {
    return {shape, alloc<float>(static_cast<std::size_t>(shape.elements()))};
  }

  // Makes the next `bytes` allocate without asking the system, in one piece. kTooLarge
  // "out_of_memory" if it has no more; nothing changes then.
  Result<void> reserve(std::size_t bytes);

  // Everything allocated so far is gone.
  void reset();

  // A place to come back to: rewind(mark) gives up all that was allocated after mark() returned it.
  // Marks are given up in the reverse order of their making, and by reset().
  struct Mark {
    std::size_t chunk, offset, used_before;
  };
  Mark mark() const { return {current_, offset_, used_before_}; }
  void rewind(const Mark& mark);

  std::size_t used() const { return used_before_ + offset_; }  // since reset, with padding
  std::size_t high_water() const { return high_water_; }       // the largest used() so far
  std::size_t capacity() const;                                // held from the system

 private:
  struct Release {
    std::align_val_t alignment;
    void operator()(std::byte* memory) const { ::operator delete(memory, alignment); }
  };
  struct Chunk {
    std::unique_ptr<std::byte, Release> memory;
    std::size_t bytes;
  };

  std::byte* alloc_bytes(std::size_t bytes);
  bool add_chunk(std::size_t bytes);

  std::vector<Chunk> chunks_;    // in order of use; those past current_ are free
  std::size_t current_ = 0;      // chunks_.size() when there is none
  std::size_t offset_ = 0;       // in the current chunk
  std::size_t used_before_ = 0;  // in the chunks before it
  std::size_t high_water_ = 0;
};

}  // namespace bantam
