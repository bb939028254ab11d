// Rotary position embedding (Su et al., "RoFormer", 2021) and its stretchings to longer contexts.
//
// Dimension pair i of a head turns by position · frequency[i], frequency[i] = base^(-2i/D) before
// stretching. What a family does to the frequencies is all in RopeSpec; the table is made once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bantam {

enum class RopeScaling : std::uint8_t {
  kNone,
  kLinear,  // positions divided by `factor` (Chen et al., 2023)
  kYarn,    // Peng et al., "YaRN", 2023: by parts, with an attention temperature
};

// Which elements of a head form a pair.
enum class RopePairing : std::uint8_t {
  kInterleaved,  // (0, 1), (2, 3), …: GGUF's Llama order
  kHalves,       // (0, D/2), (1, D/2 + 1), …
};

struct RopeSpec {
  std::int64_t width = 0;  // D: the leading elements of a head that turn; even
  double base = 10000.0;
  RopePairing pairing = RopePairing::kInterleaved;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;                       // of kLinear and kYarn
  std::int64_t original_context = 0;         // of kYarn: the context the model was first trained on
  double beta_fast = 32.0, beta_slow = 1.0;  // of kYarn
  double attention_factor = 0.0;             // of kYarn; 0: 1 + 0.1 ln(factor)
  std::vector<float> divisors;               // (D/2) each frequency is divided by; empty: none
};

// Llama 3's rule as divisors (rope_type "llama3" of Hugging Face configurations): frequencies
// whose wavelength is beyond original_context / low are divided by `factor`, those under
// original_context / high are left, the band between is interpolated.
std::vector<float> llama3_rope_divisors(std::int64_t width, double base, double factor, double low,
                                        double high, double original_context);

class RopeTable {
 public:
  explicit RopeTable(const RopeSpec& spec);

  std::int64_t width() const { return spec_.width; }
  RopePairing pairing() const { return spec_.pairing; }
  std::span<const double> frequencies() const { return frequencies_; }  // (D/2) radians a token
  double magnitude() const { return magnitude_; }  // factor on cosines and sines; 1 but for YaRN

  // cosines and sines (D/2) of one position, computed in double and rounded once.
  void angles(std::int64_t position, std::span<float> cosines, std::span<float> sines) const;

 private:
  RopeSpec spec_;
  std::vector<double> frequencies_;
  double magnitude_ = 1.0;
};

}  // namespace bantam
