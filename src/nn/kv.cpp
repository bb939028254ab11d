#include "nn/kv.h"

#include "base/result.h"

namespace bantam {

KvLayout::KvLayout(std::span<const KvLayerShape> layers, const KvType& type)
    : layers_(layers.begin(), layers.end()), type_(type) {
  constexpr std::size_t kAlignment = 64;
  for (const KvLayerShape& layer : layers_) {
    const auto place = [&](KvKind kind, std::int64_t width) {
      offsets_.push_back(block_bytes_);
      const auto bytes =
          static_cast<std::size_t>(layer.kv_heads * kv_part_bytes(type, kind, width));
      block_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    };
    place(KvKind::kKeys, layer.key_width);
    place(KvKind::kValues, layer.value_width);
  }
}

KvSequence::KvSequence(const KvLayout& layout)
    : layout_(&layout), parts_(static_cast<std::size_t>(2 * layout.layers())) {}

void KvSequence::append_block(std::byte* block) {
  blocks_.push_back(block);
  for (std::int64_t layer = 0; layer < layout_->layers(); ++layer) {
    const auto slot = static_cast<std::size_t>(2 * layer);
    parts_[slot].push_back(block + layout_->key_offset(layer));
    parts_[slot + 1].push_back(block + layout_->value_offset(layer));
  }
}

void KvSequence::truncate_blocks(std::int64_t count) {
  CHECK(count >= 0 && static_cast<std::size_t>(count) <= blocks_.size());
  blocks_.resize(static_cast<std::size_t>(count));
  for (auto& part : parts_) part.resize(static_cast<std::size_t>(count));
}

std::int64_t KvSequence::capacity() const {
  return static_cast<std::int64_t>(blocks_.size()) * KvLayout::kBlockTokens;
}

std::byte* const* KvSequence::keys(std::int64_t layer) const {
  return parts_[static_cast<std::size_t>(2 * layer)].data();
}

std::byte* const* KvSequence::values(std::int64_t layer) const {
  return parts_[static_cast<std::size_t>(2 * layer + 1)].data();
}

}  // namespace bantam
