#include "compress/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "codec/codec.h"
#include "formats/format_samples.h"
#include "formats/gguf_reader.h"

namespace bantam {
namespace {

using testing::HasSubstr;

std::vector<float> decoded(const TensorView& view) {
  std::vector<float> values(static_cast<std::size_t>(view.shape.elements()));
  const auto row = static_cast<std::size_t>(view.shape.last());
  for (std::int64_t i = 0; i < view.shape.rows(); ++i)
    find_codec(view.dtype)
        ->decode(view.row(i), std::span(values).subspan(static_cast<std::size_t>(i) * row, row));
  return values;
}

double relative_error(const std::vector<float>& found, const std::vector<float>& expected) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += std::pow(double{found[i]} - double{expected[i]}, 2);
    size += std::pow(double{expected[i]}, 2);
  }
  return std::sqrt(error / size);
}

class ConvertTest : public testing::Test {
 protected:
  void SetUp() override {
    source_.metadata.set_string("general.architecture", "llama");
    source_.metadata.set_u32("llama.block_count", 1);
    add("token_embd.weight", Shape{64, 512});
    add("blk.0.attn_norm.weight", Shape{512});
    add("blk.0.attn_q.weight", Shape{512, 512}, DType::kBF16);
    add("blk.0.ffn_down_exps.weight", Shape{3, 40, 256});
    add("output.weight", Shape{64, 512}, DType::kF16);
  }

  void add(std::string name, Shape shape, DType type = DType::kF32) {
    const Codec* codec = find_codec(type);
    TensorView view{type, shape, nullptr};
    std::byte* data = source_.own_buffer(view.bytes());
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    for (float& value : values) value = normal_(random_);
    codec->encode(values, {}, data);
    view.data = data;
    source_.add_tensor(std::move(name), view);
  }
  // The first float of a tensor of type F32.
  float& first_of(std::string_view name) {
    return *reinterpret_cast<float*>(const_cast<std::byte*>(source_.find(name)->data));
  }

  Result<ConvertReport> run(std::string_view type, std::size_t threads = 2) {
    ThreadPool pool(threads);
    return convert(source_, {.out = out(), .recipe = *find_recipe(type)}, pool);
  }
  std::filesystem::path out() const { return folder_ / "out.gguf"; }

  samples::TemporaryFolder folder_;
  WeightFile source_;
  std::mt19937 random_{5};
  std::normal_distribution<float> normal_{0, 0.02f};
};

TEST_F(ConvertTest, EveryRecipeIsWithinItsError) {
  // Root mean square over that of the weights, for normal weights; measured, with a tenth added.
  const std::pair<const char*, double> bounds[] = {
      {"F32", 0},        {"F16", 3e-4},     {"BF16", 2e-3},   {"Q8_0", 7e-3},   {"Q6_K", 0.02},
      {"Q5_K_M", 0.045}, {"Q5_K_S", 0.045}, {"Q4_K_M", 0.09}, {"Q4_K_S", 0.09}, {"Q4_0", 0.11},
      {"Q6_0", 0.024},   {"Q8_KV", 0.012},  {"IQ6_K", 0.018}, {"IQ5_KS", 0.04}, {"IQ4_KS", 0.08},
      {"IQ4_KSS", 0.11}, {"IQ4_XS", 0.085}, {"NVFP4", 0.1},   {"MXFP4", 0.13},  {"IQ3_KS", 0.17},
      {"IQ2_KS", 0.34},  {"TQ1_0", 0.48},   {"IQ1_BN", 0.48}, {"IQ2_BN", 0.48}, {"Q1_0", 0.66}};
  for (const auto& [name, bound] : bounds) {
    const auto report = run(name);
    ASSERT_TRUE(report) << report.error().to_string();
    const auto file = read_gguf(out());
    ASSERT_TRUE(file) << file.error().to_string();
    EXPECT_EQ(*(*file)->metadata.integer("general.file_type", 0, 999),
              (*find_recipe(name))->file_type);
    EXPECT_EQ(std::filesystem::file_size(out()), report->file_bytes);
    EXPECT_EQ((*file)->tensor_bytes(), report->tensor_bytes_out);
    EXPECT_EQ(report->elements, 64u * 512 * 2 + 512 + 512 * 512 + 3 * 40 * 256);
    ASSERT_EQ((*file)->tensors().size(), source_.tensors().size());
    for (const NamedTensor& tensor : source_.tensors()) {
      const TensorView* found = (*file)->find(tensor.name);
      ASSERT_NE(found, nullptr);
      EXPECT_EQ(found->shape, tensor.view.shape);
      EXPECT_LE(relative_error(decoded(*found), decoded(tensor.view)), bound)
          << name << " " << tensor.name;
    }
    EXPECT_LE(report->relative_error, bound);
    EXPECT_EQ(report->relative_error > 0, std::string_view(name) != "F32") << name;
    EXPECT_EQ((*file)->find("blk.0.attn_norm.weight")->dtype, DType::kF32);
  }
}

TEST_F(ConvertTest, TheReportAddsUp) {
  const auto report = run("Q4_K_M");
  ASSERT_TRUE(report) << report.error().to_string();
  std::uint64_t elements = 0, bytes = 0;
  std::size_t tensors = 0;
  for (const ConvertedType& type : report->types) {
    elements += type.elements;
    bytes += type.bytes;
    tensors += type.tensors;
  }
  EXPECT_EQ(elements, report->elements);
  EXPECT_EQ(bytes, report->tensor_bytes_out);
  EXPECT_EQ(tensors, 5u);
  EXPECT_EQ(report->tensor_bytes_in, source_.tensor_bytes());
  EXPECT_DOUBLE_EQ(report->bits_per_weight,
                   8.0 * static_cast<double>(bytes) / static_cast<double>(elements));
  EXPECT_EQ(report->requantized, 0u);
}

TEST_F(ConvertTest, ThreadsChangeNothing) {
  ASSERT_TRUE(run("Q4_K_M", 1));
  const auto one = read_file(out(), 1u << 30);
  const auto report_one = run("Q4_K_M", 1);
  const auto report_four = run("Q4_K_M", 4);
  const auto four = read_file(out(), 1u << 30);
  ASSERT_TRUE(one && four && report_one && report_four);
  EXPECT_EQ(*one, *four);
  EXPECT_EQ(report_one->relative_error, report_four->relative_error);
}

TEST_F(ConvertTest, AConvertedFileCanBeConvertedOntoItself) {
  ASSERT_TRUE(run("Q8_0"));
  const auto eight = read_gguf(out());
  ASSERT_TRUE(eight);
  ThreadPool pool(2);
  const auto report = convert(**eight, {.out = out(), .recipe = *find_recipe("Q4_0")}, pool);
  ASSERT_TRUE(report) << report.error().to_string();
  // All but the embedding's companion norm; the output goes from Q8_0 to Q6_K.
  EXPECT_EQ(report->requantized, 4u);
  const auto four = read_gguf(out());
  ASSERT_TRUE(four);
  EXPECT_EQ((*four)->find("blk.0.attn_q.weight")->dtype, DType::kQ4_0);
  // To the same types: nothing is lost.
  const auto again =
      convert(**four, {.out = folder_ / "again.gguf", .recipe = *find_recipe("Q4_0")}, pool);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->relative_error, 0);
  EXPECT_EQ(*read_file(out(), 1u << 30), *read_file(folder_ / "again.gguf", 1u << 30));
}

TEST_F(ConvertTest, BadNumbersAreNamedAndNothingIsWritten) {
  first_of("token_embd.weight") = std::numeric_limits<float>::quiet_NaN();
  for (const char* type : {"Q8_0", "F32"}) {
    const auto report = run(type);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, "not_finite");
    EXPECT_THAT(report.error().where, HasSubstr("\"token_embd.weight\", row 0, element 0"));
  }
  for (const auto& [type, value] : {std::pair{"F16", 1e6f}, std::pair{"Q8_0", 1e8f}}) {
    first_of("token_embd.weight") = value;
    const auto report = run(type);
    ASSERT_FALSE(report) << type;
    EXPECT_EQ(report.error().code, "out_of_range");
    EXPECT_THAT(report.error().message, HasSubstr(type));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(ConvertTest, ProgressIsToldAndCanStop) {
  ThreadPool pool(1);
  std::uint64_t last = 0, total = 0;
  ConvertOptions options{.out = out(), .recipe = *find_recipe("Q8_0")};
  options.progress = [&](const ConvertProgress& progress) {
    EXPECT_GT(progress.done, last);
    last = progress.done;
    total = progress.total;
    return true;
  };
  ASSERT_TRUE(convert(source_, options, pool));
  EXPECT_EQ(last, total);
  std::filesystem::remove(out());
  options.progress = [](const ConvertProgress& progress) { return progress.tensor < 2; };
  const auto stopped = convert(source_, options, pool);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::kCancelled);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(ConvertTest, TypesWithoutACodecAreRefusedBeforeAnythingIsWritten) {
  TensorView view{DType::kIQ2_XXS, Shape{2, 256}, nullptr};
  view.data = source_.own_buffer(view.bytes());
  source_.add_tensor("blk.0.ffn_up.weight", view);
  if (find_codec(DType::kIQ2_XXS) != nullptr) GTEST_SKIP() << "has a codec by now";
  const auto report = run("Q8_0");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, "dtype_unsupported");
  EXPECT_THAT(report.error().where, HasSubstr("blk.0.ffn_up.weight"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST(ConvertSeedModel, BecomesAFileWithItsTokenizer) {
  const auto path = std::filesystem::path(BANTAM_SHARED_DATA) / "weights/seed-model";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs shared data: " << path;
  const samples::TemporaryFolder folder;
  const auto source = open_weights(path);
  ASSERT_TRUE(source) << source.error().to_string();
  ThreadPool pool(2);
  const auto report =
      convert(**source, {.out = folder / "seed.gguf", .recipe = *find_recipe("F16")}, pool);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->relative_error, 0);
  const auto file = open_weights(folder / "seed.gguf");
  ASSERT_TRUE(file) << file.error().to_string();
  samples::expect_same_tensors(**file, **source);
  EXPECT_EQ((**(*file)->metadata.strings("tokenizer.ggml.tokens")).size(), 2048u);
  EXPECT_TRUE((*file)->metadata.contains("tokenizer.chat_template"));
  for (const auto& [key, value] : (*file)->metadata.entries())
    EXPECT_FALSE(key.ends_with("_json") || key == "bantam.tokenizer_model") << key;
}

}  // namespace
}  // namespace bantam
