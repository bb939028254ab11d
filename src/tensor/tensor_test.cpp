#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <vector>

namespace bantam {
namespace {

TEST(Shape, CountsItsElementsAndRows) {
  const Shape matrix{3, 32};
  EXPECT_EQ(matrix.rank(), 2u);
  EXPECT_EQ(matrix.elements(), 96);
  EXPECT_EQ(matrix.rows(), 3);
  EXPECT_EQ(matrix.last(), 32);
  EXPECT_EQ(matrix.to_string(), "(3, 32)");
  const Shape scalar;
  EXPECT_EQ(scalar.elements(), 1);
  EXPECT_EQ(scalar.rows(), 1);
  EXPECT_EQ(scalar.last(), 1);
  EXPECT_EQ(scalar.to_string(), "()");
  EXPECT_EQ((Shape{2, 3, 4, 5}).rows(), 24);
  EXPECT_EQ((Shape{0, 5}).elements(), 0);
  EXPECT_EQ(Shape({7}), Shape::from(std::vector<std::int64_t>{7}));
  EXPECT_FALSE((Shape{7}) == (Shape{7, 1}));
}

TEST(ShapeDeathTest, ImpossibleShapesAreOurBug) {
  EXPECT_DEATH((Shape{1, 2, 3, 4, 5}), "5 dimensions");
  EXPECT_DEATH((Shape{1, -2}), "size -2");
  const Shape huge{std::int64_t{1} << 40, std::int64_t{1} << 40};
  EXPECT_DEATH(huge.elements(), "overflows");
}

TEST(TensorView, RowsAndSlices) {
  std::vector<std::byte> bytes(3 * 2 * 36);
  const TensorView view{DType::kQ4_0, {3, 2, 64}, bytes.data()};
  EXPECT_EQ(view.bytes_per_row(), 36u);
  EXPECT_EQ(view.bytes(), bytes.size());
  EXPECT_EQ(view.row(4), bytes.data() + 4 * 36);
  const TensorView part = view.slice(1, 3);
  EXPECT_EQ(part.shape, (Shape{2, 2, 64}));
  EXPECT_EQ(part.data, bytes.data() + 2 * 36);
  EXPECT_EQ(part.bytes(), 4u * 36);
  EXPECT_EQ(view.slice(3, 3).bytes(), 0u);
  EXPECT_EQ(view.slice(0, 3).data, bytes.data());
}

// Every row begins with a header of its own.
TEST(TensorView, RowsWithAHeader) {
  const std::vector<std::byte> bytes(6 * (4 + 2 * 136));
  const TensorView view{DType::kIQ4_KS, {3, 2, 512}, bytes.data()};
  EXPECT_EQ(view.bytes_per_row(), 276u);
  EXPECT_EQ(view.bytes(), bytes.size());
  EXPECT_EQ(view.row(5), bytes.data() + 5 * 276);
  EXPECT_EQ(view.slice(1, 3).data, bytes.data() + 2 * 276);
}

TEST(TensorViewDeathTest, BrokenViewsAreOurBug) {
  const TensorView view{DType::kQ4_0, {3, 64}, nullptr};
  EXPECT_DEATH(view.slice(2, 4), "of \\(3, 64\\)");
  EXPECT_DEATH(view.slice(2, 1), "of \\(3, 64\\)");
  EXPECT_DEATH((TensorView{DType::kQ4_0, {3, 60}, nullptr}.bytes()), "60 Q4_0");
}

TEST(FloatTensor, RowsAndValues) {
  std::vector<float> data(6);
  const FloatTensor tensor{{2, 3}, data.data()};
  EXPECT_EQ(tensor.row(1), data.data() + 3);
  EXPECT_EQ(tensor.values().size(), 6u);
}

}  // namespace
}  // namespace bantam
