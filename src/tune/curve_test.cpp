#include "tune/curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/file.h"

namespace bantam {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Curve, PlacesPointsBetweenItsAxes) {
  Curve curve{.title = "a <b> & c", .loss = {{1, 4}, {50, 2}, {100, 1}}};
  curve.validation = {{50, 0.5}, {100, std::numeric_limits<double>::quiet_NaN()}};
  const std::string svg = curve_svg(curve);
  EXPECT_THAT(svg, HasSubstr("a &lt;b&gt; &amp; c"));
  EXPECT_EQ(count(svg, "<circle"), 1U) << "the one that is no number is left out";
  // From 64 to 736, and from 376 up to 40 with a twentieth of room: 4 is at 40 + 336 / 22.
  EXPECT_THAT(svg, HasSubstr("points=\"70.7,55.3 400.0,258.9 736.0,360.7\""));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(curve_svg({}), Not(HasSubstr("nan")));
  EXPECT_THAT(curve_svg({.title = "", .loss = {{1, 2}}, .validation = {}}), Not(HasSubstr("nan")));
}

TEST(Curve, LongRunsMakeSmallPicturesAndKeepTheirSpikes) {
  Curve curve;
  for (std::int64_t step = 1; step <= 200'000; ++step)
    curve.loss.push_back({step, step == 123'456 ? 9.0 : 1.0});
  const std::string svg = curve_svg(curve);
  EXPECT_LT(svg.size(), 60'000U);
  // 9 lies a twentieth of the range below the top.
  EXPECT_THAT(svg, HasSubstr(",55.3"));
}

TEST(Curve, IsReadFromALog) {
  const auto path = std::filesystem::path(testing::TempDir()) / "bantam_curve.jsonl";
  ASSERT_TRUE(write_file(path,
                         "{\"step\":1,\"loss\":2.5}\n{\"step\":1,\"validation\":-1,\"best\":true}\n"
                         "{\"step\":2,\"loss\":null}\n{\"note\":1}\n{\"step\":3,\"lo")
                  .has_value());
  const auto curve = curve_of_log(path, "t");
  ASSERT_TRUE(curve.has_value());
  ASSERT_EQ(curve->loss.size(), 1U);
  EXPECT_EQ(curve->loss[0].value, 2.5);
  ASSERT_EQ(curve->validation.size(), 1U);
  EXPECT_EQ(curve->validation[0].value, -1);
  std::filesystem::remove(path);
  EXPECT_TRUE(curve_of_log(path, "t")->loss.empty());
}

}  // namespace
}  // namespace bantam
