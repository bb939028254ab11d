#include "formats/weight_file.h"

#include <cstring>
#include <new>

namespace bantam {

void WeightFile::own(MappedFile map) { maps_.push_back(std::move(map)); }
void WeightFile::own(std::shared_ptr<const void> owner) { owners_.push_back(std::move(owner)); }

std::byte* WeightFile::own_buffer(std::size_t bytes) {
  constexpr std::align_val_t kAlignment{64};
  auto* memory = static_cast<std::byte*>(::operator new(bytes, kAlignment));
  buffers_.emplace_back(memory, [](std::byte* start) { ::operator delete(start, kAlignment); });
  std::memset(memory, 0, bytes);
  return memory;
}

void WeightFile::add_tensor(std::string name, TensorView view) {
  const bool is_new = index_.try_emplace(name, tensors_.size()).second;
  CHECK(is_new, "tensor {} twice", name);
  tensors_.push_back({std::move(name), view});
}

const TensorView* WeightFile::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &tensors_[found->second].view;
}

std::uint64_t WeightFile::tensor_bytes() const {
  std::uint64_t total = 0;
  for (const NamedTensor& tensor : tensors_) total += tensor.view.bytes();
  return total;
}

}  // namespace bantam
