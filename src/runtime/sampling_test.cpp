// The ranges of the options that a request may set.
#include "runtime/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace bantam {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Range {
  std::string_view name;
  double SamplingOptions::* member;
  std::vector<double> good, bad;
};

TEST(SamplingOptions, DefaultsAreInRange) {
  EXPECT_TRUE(validate(SamplingOptions{}, 1));
  EXPECT_TRUE(validate(StopOptions{}, 1));
}

TEST(SamplingOptions, NumbersOutOfRangeAreNamed) {
  const Range ranges[] = {
      {"temperature", &SamplingOptions::temperature, {0, 1e-300, 2}, {-0.01, 2.01}},
      {"top_p", &SamplingOptions::top_p, {1e-9, 1}, {0, -1, 1.01}},
      {"min_p", &SamplingOptions::min_p, {0, 1}, {-0.01, 1.01}},
      {"typical_p", &SamplingOptions::typical_p, {1e-9, 1}, {0, 1.01}},
      {"repetition_penalty", &SamplingOptions::repetition_penalty, {0.01, 1, 10}, {0, -1, 10.1}},
      {"frequency_penalty", &SamplingOptions::frequency_penalty, {-2, 2}, {-2.01, 2.01}},
      {"presence_penalty", &SamplingOptions::presence_penalty, {-2, 2}, {-2.01, 2.01}},
      {"dry_multiplier", &SamplingOptions::dry_multiplier, {0, 5}, {-0.1}},
      {"dry_base", &SamplingOptions::dry_base, {1, 4}, {0.5}},
      {"xtc_probability", &SamplingOptions::xtc_probability, {0, 1}, {-0.1, 1.1}},
      {"xtc_threshold", &SamplingOptions::xtc_threshold, {0, 0.5}, {-0.1, 0.51}},
  };
  for (const Range& range : ranges) {
    SamplingOptions options;
    for (const double value : range.good) {
      options.*range.member = value;
      EXPECT_TRUE(validate(options, 10)) << range.name << " = " << value;
    }
    std::vector<double> bad = range.bad;
    bad.insert(bad.end(), {kNan, -kNan, kInfinity, -kInfinity});
    for (const double value : bad) {
      options.*range.member = value;
      const auto error = validate(options, 10);
      ASSERT_FALSE(error) << range.name << " = " << value;
      EXPECT_EQ(error.error().kind, ErrorKind::kUsage);
      EXPECT_EQ(error.error().code, "invalid_param");
      EXPECT_TRUE(error.error().to_string().contains(range.name)) << error.error().to_string();
    }
  }
}

TEST(SamplingOptions, WholeNumbersOutOfRange) {
  SamplingOptions options;
  options.top_k = -1;
  EXPECT_FALSE(validate(options, 10));
  options.top_k = std::numeric_limits<std::int64_t>::max();
  EXPECT_TRUE(validate(options, 10));
  options.penalty_window = -2;
  EXPECT_FALSE(validate(options, 10));
  options.penalty_window = -1;
  EXPECT_TRUE(validate(options, 10));
  options.dry_allowed_length = -1;
  EXPECT_FALSE(validate(options, 10));
}

TEST(SamplingOptions, BiasesNameTokensOfTheVocabulary) {  // G38
  const auto valid = [](std::int32_t id, double addend) {
    SamplingOptions options;
    options.logit_bias = {{id, addend}};
    return validate(options, 10).has_value();
  };
  EXPECT_TRUE(valid(0, -100));
  EXPECT_TRUE(valid(9, 100));
  EXPECT_FALSE(valid(10, 0));
  EXPECT_FALSE(valid(-1, 0));
  EXPECT_FALSE(valid(std::numeric_limits<std::int32_t>::max(), 0));
  EXPECT_FALSE(valid(0, 100.5));
  EXPECT_FALSE(valid(0, kNan));
  SamplingOptions many;
  many.logit_bias.assign(5000, {0, 0.0});
  EXPECT_FALSE(validate(many, 10));
  many.logit_bias.clear();
  many.dry_breakers.assign(1000, "x");
  EXPECT_FALSE(validate(many, 10));
}

TEST(StopOptions, StringsTokensAndCounts) {  // P12, G38
  const auto error = [](const StopOptions& options) {
    const auto valid = validate(options, 10);
    return valid ? std::string() : valid.error().code;
  };
  StopOptions options;
  options.strings.assign(16, std::string(256, 'x'));
  EXPECT_EQ(error(options), "");
  options.strings.emplace_back("y");
  EXPECT_EQ(error(options), "invalid_param");
  options.strings = {std::string(257, 'x')};
  EXPECT_EQ(error(options), "invalid_param");
  options.strings = {""};
  EXPECT_EQ(error(options), "invalid_param");
  options.strings.assign(100000, "x");
  EXPECT_EQ(error(options), "invalid_param");
  options.strings.clear();
  for (const std::int32_t id : {-1, 10, std::numeric_limits<std::int32_t>::max()}) {
    options.tokens = {id};
    EXPECT_EQ(error(options), "invalid_param") << id;
  }
  options.tokens = {0, 9};
  EXPECT_EQ(error(options), "");
  options.max_tokens = -2;
  EXPECT_EQ(error(options), "invalid_param");
  options.max_tokens = 0;
  EXPECT_EQ(error(options), "");
}

}  // namespace
}  // namespace bantam
