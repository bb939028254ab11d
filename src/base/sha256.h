// SHA-256 (FIPS 180-4): what names bytes by their content.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace bantam {

// Not constant time: for content, not for secrets.
class Sha256 {
 public:
  void add(std::span<const std::byte> bytes);
  // Of all that was added, as 64 hexadecimal digits. Nothing can be added after it.
  std::string hexadecimal();

 private:
  void block(const std::byte* bytes);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> rest_{};  // bytes of a block that is not full yet
  std::uint64_t total_ = 0;
};

}  // namespace bantam
