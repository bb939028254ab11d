#include "models/shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "models/registry.h"

namespace bantam {
namespace {

using testing::HasSubstr;

double elements(const WeightFile& file) {
  double count = 0;
  for (const NamedTensor& tensor : file.tensors())
    count += static_cast<double>(tensor.view.shape.elements());
  return count;
}

TEST(Shapes, EachThatCanRunHasTheTensorsOfItsPublishedSize) {
  int runnable = 0;
  for (const ModelShape& shape : model_shapes()) {
    if (!why_not(shape).empty()) continue;
    ++runnable;
    const auto outline = shape_outline(shape);
    ASSERT_TRUE(outline) << shape.name << ": " << outline.error().to_string();
    EXPECT_NEAR(elements(**outline) / shape.parameters, 1, 0.01) << shape.name;
    const auto spec = (*find_family((*outline)->metadata))->read_spec(**outline);
    ASSERT_TRUE(spec) << shape.name;
    EXPECT_EQ(spec->layer_count(), shape.layers) << shape.name;
    EXPECT_EQ(spec->context_length, shape.context) << shape.name;
    EXPECT_EQ(spec->layers.front().attention.window, shape.window) << shape.name;
  }
  EXPECT_GE(runnable, 15);
}

// Also for families that are not there yet: whoever adds one finds the numbers right. All of these
// have a gated feed-forward; norms and biases are too few to matter.
TEST(Shapes, NumbersGiveThePublishedCount) {
  for (const ModelShape& shape : model_shapes()) {
    const auto product = [](std::initializer_list<std::int64_t> factors) {
      double result = 1;
      for (const std::int64_t factor : factors) result *= static_cast<double>(factor);
      return result;
    };
    const double attention = product({2, shape.width, shape.heads, shape.head_width}) +
                             product({2, shape.width, shape.kv_heads, shape.head_width});
    const double forward =
        product({3, shape.width, shape.ffn_width, std::max<std::int64_t>(1, shape.experts)});
    const double embeddings = product({shape.tied ? 1 : 2, shape.vocab, shape.width});
    const double count = embeddings + static_cast<double>(shape.layers) * (attention + forward);
    EXPECT_NEAR(count / shape.parameters, 1, 0.01) << shape.name;
  }
}

TEST(Shapes, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const ModelShape& shape : model_shapes()) EXPECT_TRUE(names.insert(shape.name).second);
  for (const OtherShape& other : other_shapes()) EXPECT_TRUE(names.insert(other.name).second);
}

TEST(Shapes, AnUnknownNameGetsTheNearest) {
  const auto found = find_shape("lama-3.2-3b");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, "unknown_shape");
  EXPECT_EQ(found.error().kind, ErrorKind::kUsage);
  EXPECT_THAT(found.error().message, HasSubstr("llama-3.2-3b"));
  EXPECT_FALSE(find_shape(""));
}

TEST(Shapes, OneThatCannotRunSaysWhy) {
  const auto recurrent = find_shape("qwen3.5-0.8b");
  ASSERT_FALSE(recurrent);
  EXPECT_EQ(recurrent.error().code, "shape_unsupported");
  EXPECT_THAT(recurrent.error().message, HasSubstr("recurrent"));
  for (const ModelShape& shape : model_shapes()) {
    const std::string why = why_not(shape);
    const auto found = find_shape(shape.name);
    ASSERT_EQ(found.has_value(), why.empty()) << shape.name;
    if (!found) EXPECT_THAT(found.error().message, HasSubstr(shape.family));
  }
}

TEST(Shapes, TheOutlineSaysWhatAFileWould) {
  const auto outline = shape_outline(**find_shape("mixtral-8x7b")).value();
  EXPECT_EQ(outline->find("blk.31.ffn_down_exps.weight")->shape, (Shape{8, 4096, 14336}));
  EXPECT_NE(outline->find("output.weight"), nullptr);
  const auto tied = shape_outline(**find_shape("llama-3.2-1b")).value();
  EXPECT_EQ(tied->find("output.weight"), nullptr);
  const TensorView* divisors = tied->find("rope_freqs.weight");
  ASSERT_NE(divisors, nullptr);
  const auto* values = reinterpret_cast<const float*>(divisors->data);
  EXPECT_EQ(values[0], 1);
  EXPECT_EQ(values[31], 32);
}

}  // namespace
}  // namespace bantam
