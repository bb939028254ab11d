// What a tensor is: a dtype, a shape and a place. Views own nothing.
//
// Shapes are row-major, outermost first: a weight of a linear layer is (out, in), and a row is the
// `in` elements that lie together. At most four dimensions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "base/result.h"
#include "tensor/dtype.h"

namespace bantam {

class Shape {
 public:
  static constexpr std::size_t kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes);
  static Shape from(std::span<const std::int64_t> sizes);  // at most kMaxRank, none negative

  std::size_t rank() const { return rank_; }
  std::int64_t operator[](std::size_t i) const { return sizes_[i]; }
  std::int64_t last() const { return rank_ == 0 ? 1 : sizes_[rank_ - 1]; }
  std::int64_t elements() const;       // product of all
  std::int64_t rows() const;           // product of all but the last
  bool operator==(const Shape& other) const = default;
  std::string to_string() const;       // "(32, 128)"

 private:
  std::array<std::int64_t, kMaxRank> sizes_{};
  std::size_t rank_ = 0;
};

// A read-only view of packed rows: a weight in a file, say. Contiguous.
struct TensorView {
  DType dtype = DType::kF32;
  Shape shape;
  const std::byte* data = nullptr;

  std::uint64_t bytes() const;
  std::uint64_t bytes_per_row() const;  // of shape.last() elements
  const std::byte* row(std::int64_t index) const {
    return data + static_cast<std::uint64_t>(index) * bytes_per_row();
  }
  // A matrix cut to rows [begin, end) of its outermost dimension.
  TensorView slice(std::int64_t begin, std::int64_t end) const;
};

// A writable view of floats: an activation.
struct FloatTensor {
  Shape shape;
  float* data = nullptr;

  float* row(std::int64_t index) const { return data + index * shape.last(); }
  std::span<float> values() const { return {data, static_cast<std::size_t>(shape.elements())}; }
};

}  // namespace bantam
