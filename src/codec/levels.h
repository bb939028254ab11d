// Encoding to uneven levels: what the encoders of the IQ formats share. Not for use outside this
// folder.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace bantam {

// Levels in rising order, and the code nearest to a value.
class Levels {
 public:
  template <typename T, std::size_t kCount>
  constexpr explicit Levels(const std::array<T, kCount>& from, int shift = 0)
      : count_(static_cast<int>(kCount)) {
    for (std::size_t q = 0; q < kCount; ++q)
      levels_[q] = static_cast<float>(from[q]) + static_cast<float>(shift);
    // Midpoints of whole numbers are borders of the bins.
    for (std::size_t bin = 0, q = 0; bin < kBins; ++bin) {
      const float middle = (static_cast<float>(bin) + 0.5f) / 2 - 128;
      while (q + 1 < kCount && levels_[q + 1] - middle < middle - levels_[q]) ++q;
      nearest_[bin] = static_cast<std::uint8_t>(q);
    }
  }

  float operator[](std::size_t code) const { return levels_[code]; }
  float lowest() const { return levels_[0]; }
  float highest() const { return levels_[static_cast<std::size_t>(count_ - 1)]; }

  // Exact for whole levels, and within a quarter of a unit for others; a NaN gives the lowest.
  std::size_t code_of(float value) const {
    const float held = value > -128 ? (value < 127.5f ? value : 127.5f) : -128;
    return nearest_[static_cast<std::size_t>(held * 2 + 256)];
  }

 private:
  static constexpr std::size_t kBins = 512;
  std::array<float, 64> levels_{};
  std::array<std::uint8_t, kBins> nearest_{};
  int count_;
};

// The integer scales that a group may have: low, low + step, … high.
struct ScaleCodes {
  int low, high, step;
  int nearest(float value) const;
};

struct LevelFormat {
  const Levels* tables;  // as they are, and shifted
  int variants;          // 2, or 1 where groups cannot shift
  std::size_t group;     // elements that share a scale: 16 or 32
  ScaleCodes scales;
};

struct LevelCodes {
  int scales[16];
  bool shifted[16];
  std::uint8_t q[256];
};

// The scale that suits one group alone, and the table.
struct GroupFit {
  float scale = 0;
  bool shifted = false;
};

// x and w are those of Scaled (codec/search.h).
GroupFit fit_group(const LevelFormat& format, std::span<const float> x, std::span<const float> w);

// Codes for x ~ d * scale * level. Each group picks, by its true error, among the scales next to
// the one that its fit asks for; returns the error of all.
float choose_codes(const LevelFormat& format, std::span<const float> x, std::span<const float> w,
                   std::span<const GroupFit> fits, float d, LevelCodes& codes);

// d by least squares over the codes there are; 0 if they say nothing.
float refit_scale(const LevelFormat& format, std::span<const float> x, std::span<const float> w,
                  const LevelCodes& codes);

}  // namespace bantam
