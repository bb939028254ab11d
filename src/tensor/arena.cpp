#include "tensor/arena.h"

#include <sys/mman.h>

#include <algorithm>

namespace bantam {
namespace {

constexpr std::size_t kFirstChunk = std::size_t{64} << 10;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// A zero-sized request still gets an address of its own.
std::size_t padded(std::size_t bytes) {
  CHECK(bytes <= SIZE_MAX - Arena::kAlignment, "{} bytes", bytes);
  return (std::max<std::size_t>(bytes, 1) + Arena::kAlignment - 1) / Arena::kAlignment *
         Arena::kAlignment;
}

}  // namespace

std::byte* Arena::alloc_bytes(std::size_t bytes) {
  const std::size_t size = padded(bytes);
  while (current_ < chunks_.size() && chunks_[current_].bytes - offset_ < size) {
    used_before_ += offset_;
    offset_ = 0;
    ++current_;
  }
  if (current_ == chunks_.size()) {
    // Doubling keeps the number of chunks, and what is lost at their ends, small.
    const std::size_t wanted = std::max({size, kFirstChunk, capacity()});
    CHECK(add_chunk(wanted) || add_chunk(size), "out of memory: {} bytes on top of {}", size,
          capacity());
  }
  std::byte* place = chunks_[current_].memory.get() + offset_;
  offset_ += size;
  high_water_ = std::max(high_water_, used());
  return place;
}

Result<void> Arena::reserve(std::size_t bytes) {
  const std::size_t size = padded(bytes);
  for (std::size_t i = current_; i < chunks_.size(); ++i)
    if (chunks_[i].bytes - (i == current_ ? offset_ : 0) >= size) return {};
  if (!add_chunk(size))
    return fail(ErrorKind::kTooLarge, "out_of_memory",
                "the system has no {} bytes more for a step's working memory", size);
  return {};
}

void Arena::reset() {
  current_ = 0;
  offset_ = 0;
  used_before_ = 0;
}

void Arena::rewind(const Mark& mark) {
  CHECK(mark.chunk < current_ || (mark.chunk == current_ && mark.offset <= offset_));
  current_ = mark.chunk;
  offset_ = mark.offset;
  used_before_ = mark.used_before;
}

std::size_t Arena::capacity() const {
  std::size_t total = 0;
  for (const Chunk& chunk : chunks_) total += chunk.bytes;
  return total;
}

// Adds it at the end.
bool Arena::add_chunk(std::size_t bytes) {
  if (bytes > PTRDIFF_MAX) return false;
  const std::align_val_t alignment{bytes >= kHugePage ? kHugePage : kAlignment};
  auto* memory = static_cast<std::byte*>(::operator new(bytes, alignment, std::nothrow));
  if (memory == nullptr) return false;
  // A wish; where the kernel grants it, prompts are 2 % faster (bench/RESULTS.md).
  if (bytes >= kHugePage) ::madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  chunks_.push_back({std::unique_ptr<std::byte, Release>(memory, Release{alignment}), bytes});
  return true;
}

}  // namespace bantam
