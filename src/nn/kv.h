// Keys and values of the tokens that a model has seen, in blocks.
//
// A block holds B tokens of every layer. Inside it, layer by layer, first the keys and then the
// values, as attention wants them (kernels/attention.h). A sequence is a list
// of blocks; who owns the blocks, shares them between sequences or takes them away is decided
// above (runtime/kv_pool.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention.h"

namespace bantam {

struct KvLayerShape {
  std::int64_t kv_heads = 0;
  std::int64_t key_width = 0;
  std::int64_t value_width = 0;
};

// Where the parts of a block lie. Immutable.
class KvLayout {
 public:
  static constexpr std::int64_t kBlockTokens = kKvBlockTokens;

  KvLayout(std::span<const KvLayerShape> layers, const KvType& type);

  const KvType& type() const { return type_; }
  std::int64_t layers() const { return static_cast<std::int64_t>(layers_.size()); }
  const KvLayerShape& layer(std::int64_t index) const {
    return layers_[static_cast<std::size_t>(index)];
  }
  std::size_t block_bytes() const { return block_bytes_; }
  std::size_t bytes_per_token() const { return block_bytes_ / kBlockTokens; }
  std::size_t key_offset(std::int64_t index) const {
    return offsets_[static_cast<std::size_t>(2 * index)];
  }
  std::size_t value_offset(std::int64_t index) const {
    return offsets_[static_cast<std::size_t>(2 * index + 1)];
  }
  static std::int64_t blocks_for(std::int64_t tokens) {
    return (tokens + kBlockTokens - 1) / kBlockTokens;
  }

 private:
  std::vector<KvLayerShape> layers_;
  std::vector<std::size_t> offsets_;  // (L, 2): keys, values; 64-byte aligned
  std::size_t block_bytes_ = 0;
  KvType type_;
};

// The blocks of one sequence, as attention wants them. Owns nothing.
class KvSequence {
 public:
  explicit KvSequence(const KvLayout& layout);  // keeps a reference

  void append_block(std::byte* block);
  // Drops the blocks past the first `count`; the caller gives them back to their owner.
  void truncate_blocks(std::int64_t count);

  const KvLayout& layout() const { return *layout_; }
  std::int64_t capacity() const;  // tokens that fit
  std::span<std::byte* const> blocks() const { return blocks_; }
  // One pointer a block, to that layer's keys or values.
  std::byte* const* keys(std::int64_t layer) const;
  std::byte* const* values(std::int64_t layer) const;

 private:
  const KvLayout* layout_;
  std::vector<std::byte*> blocks_;
  std::vector<std::vector<std::byte*>> parts_;  // (2L, blocks)
};

}  // namespace bantam
