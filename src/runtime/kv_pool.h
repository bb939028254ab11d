// The memory that keys and values live in: blocks of one layout, handed out and taken back.
//
// The pool grows block by block up to its capacity and never shrinks while it lives, so a short
// conversation costs little and the limit is known before it starts. Conservation: free + used =
// blocks made so far ≤ capacity; used is what the callers hold. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "nn/kv.h"

namespace bantam {

class KvPool {
 public:
  KvPool(const KvLayout& layout, std::int64_t capacity_blocks);  // keeps a reference

  // Gives `sequence` blocks until `tokens` fit. kTooLarge "kv_full" when the pool is spent or the
  // system has no memory; the sequence then keeps what it has.
  Result<void> reserve(KvSequence& sequence, std::int64_t tokens);

  // Takes back the blocks past the first `tokens` tokens.
  void release(KvSequence& sequence, std::int64_t tokens);

  std::int64_t capacity() const { return capacity_; }
  std::int64_t made() const { return static_cast<std::int64_t>(blocks_.size()); }
  std::int64_t free() const { return static_cast<std::int64_t>(free_.size()); }

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(std::byte* block) const;
  };

  const KvLayout& layout_;
  std::int64_t capacity_;
  std::vector<std::unique_ptr<std::byte[], Unmap>> blocks_;
  std::vector<std::byte*> free_;
};

}  // namespace bantam
