#include "tensor/tensor.h"

#include <algorithm>

namespace bantam {

Shape::Shape(std::initializer_list<std::int64_t> sizes)
    : Shape(from(std::span(sizes.begin(), sizes.size()))) {}

Shape Shape::from(std::span<const std::int64_t> sizes) {
  CHECK(sizes.size() <= kMaxRank, "{} dimensions", sizes.size());
  Shape shape;
  shape.rank_ = sizes.size();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    CHECK(sizes[i] >= 0, "size {} of dimension {}", sizes[i], i);
    shape.sizes_[i] = sizes[i];
  }
  return shape;
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (std::size_t i = 0; i < rank_; ++i)
    CHECK(!__builtin_mul_overflow(product, sizes_[i], &product), "{} overflows", to_string());
  return product;
}

std::int64_t Shape::rows() const {
  std::int64_t product = 1;
  for (std::size_t i = 0; i + 1 < rank_; ++i)
    CHECK(!__builtin_mul_overflow(product, sizes_[i], &product), "{} overflows", to_string());
  return product;
}

std::string Shape::to_string() const {
  return fmt::format("({})", fmt::join(sizes_.begin(), sizes_.begin() + rank_, ", "));
}

std::uint64_t TensorView::bytes_per_row() const {
  const auto bytes = row_bytes(dtype, static_cast<std::uint64_t>(shape.last()));
  CHECK(bytes.has_value(), "a row of {} {}", shape.last(), dtype_info(dtype).name);
  return *bytes;
}

std::uint64_t TensorView::bytes() const {
  std::uint64_t total = 0;
  CHECK(!__builtin_mul_overflow(bytes_per_row(), static_cast<std::uint64_t>(shape.rows()), &total),
        "{} overflows", shape.to_string());
  return total;
}

TensorView TensorView::slice(std::int64_t begin, std::int64_t end) const {
  CHECK(shape.rank() >= 2 && begin >= 0 && begin <= end && end <= shape[0], "[{}, {}) of {}", begin,
        end, shape.to_string());
  std::array<std::int64_t, Shape::kMaxRank> sizes{};
  for (std::size_t i = 0; i < shape.rank(); ++i) sizes[i] = shape[i];
  sizes[0] = 1;
  const Shape one = Shape::from({sizes.data(), shape.rank()});
  const std::uint64_t stride = TensorView{dtype, one, nullptr}.bytes();
  sizes[0] = end - begin;
  return {dtype, Shape::from({sizes.data(), shape.rank()}),
          data + static_cast<std::uint64_t>(begin) * stride};
}

}  // namespace bantam
