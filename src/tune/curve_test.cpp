#include "tune/curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

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

// How many dots of the picture have a colour, and where the first and last column of them are.
struct Found {
  int dots = 0;
  int left = 1 << 20, right = 0, top = 1 << 20, bottom = 0;
};
Found find_colour(const std::string& file, int red, int green, int blue) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  CHECK(png_image_begin_read_from_memory(&image, file.data(), file.size()) != 0);
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> pixels(PNG_IMAGE_SIZE(image));
  CHECK(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) != 0);
  EXPECT_EQ(image.width, 1600u);
  EXPECT_EQ(image.height, 840u);
  Found found;
  for (int y = 0; y < 840; ++y)
    for (int x = 0; x < 1600; ++x) {
      const std::uint8_t* pixel = &pixels[static_cast<std::size_t>(3 * (1600 * y + x))];
      if (pixel[0] != red || pixel[1] != green || pixel[2] != blue) continue;
      ++found.dots;
      found.left = std::min(found.left, x);
      found.right = std::max(found.right, x);
      found.top = std::min(found.top, y);
      found.bottom = std::max(found.bottom, y);
    }
  return found;
}

TEST(Curve, HasThePictureInDotsToo) {
  Curve curve{.title = "rows.jsonl", .loss = {{1, 4}, {50, 2}, {100, 1}}};
  const auto png = curve_png(curve);
  ASSERT_TRUE(png.has_value()) << png.error().to_string();
  EXPECT_LT(png->size(), 60'000u);
  const Found mean = find_colour(*png, 0x1f, 0x5f, 0xa8);
  // From (70.7, 55.3) to (736, …), two dots a unit.
  EXPECT_NEAR(mean.left, 141, 4);
  EXPECT_NEAR(mean.right, 1472, 4);
  EXPECT_NEAR(mean.top, 110, 4);
  EXPECT_GT(mean.dots, 1300);
  EXPECT_EQ(find_colour(*png, 0xc0, 0x56, 0x2b).dots, 0);
  EXPECT_GT(find_colour(*png, 0x33, 0x33, 0x33).dots, 500) << "letters";
  curve.validation = {{50, 0.5}, {100, 0.75}};
  const Found scores = find_colour(*curve_png(curve), 0xc0, 0x56, 0x2b);
  EXPECT_NEAR(scores.left, 800 - 6, 2);
  EXPECT_NEAR(scores.right, 1472 + 6, 2);
  EXPECT_TRUE(curve_png({}).has_value());
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
