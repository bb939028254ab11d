#include "runtime/kv_pool.h"

#include <sys/mman.h>

namespace bantam {

void KvPool::Unmap::operator()(std::byte* block) const { ::munmap(block, bytes); }

KvPool::KvPool(const KvLayout& layout, std::int64_t capacity_blocks)
    : layout_(layout), capacity_(capacity_blocks) {}

Result<void> KvPool::reserve(KvSequence& sequence, std::int64_t tokens) {
  while (sequence.capacity() < tokens) {
    if (free_.empty()) {
      if (made() == capacity_) {
        return fail(ErrorKind::kTooLarge, "kv_full",
                    "{} tokens need {} blocks of keys and values; the pool has {}", tokens,
                    KvLayout::blocks_for(tokens), capacity_);
      }
      // Mapped, not allocated: zeroed, page aligned, and given back to the system as a whole.
      void* const memory = ::mmap(nullptr, layout_.block_bytes(), PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) {
        return fail(ErrorKind::kTryAgain, "out_of_memory",
                    "no memory for a block of keys and values ({} bytes)", layout_.block_bytes());
      }
      blocks_.emplace_back(static_cast<std::byte*>(memory), Unmap{layout_.block_bytes()});
      free_.push_back(blocks_.back().get());
    }
    sequence.append_block(free_.back());
    free_.pop_back();
  }
  return {};
}

void KvPool::release(KvSequence& sequence, std::int64_t tokens) {
  const std::int64_t keep = KvLayout::blocks_for(tokens);
  const auto blocks = sequence.blocks();
  for (std::size_t i = blocks.size(); i > static_cast<std::size_t>(keep); --i) {
    free_.push_back(blocks[i - 1]);
  }
  if (keep < static_cast<std::int64_t>(blocks.size())) sequence.truncate_blocks(keep);
}

}  // namespace bantam
