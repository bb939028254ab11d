// A fast 64-bit hash of bytes, to tell whether two things are the same: files, runs, checkpoints.
// Not against an adversary.
//
// XXH64 with seed 0, the same on every machine.
// Specification: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bantam {

class Hash64 {
 public:
  // In any number of pieces.
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  std::uint64_t value() const;  // of all that was added so far
  std::string hex() const;      // the same as 16 digits

 private:
  static constexpr std::size_t kStripe = 32;
  void add_stripe(const std::byte* bytes);

  std::array<std::uint64_t, 4> lanes_ = {0x60ea27eeadc0b5d6, 0xc2b2ae3d27d4eb4f, 0,
                                         0x61c8864e7a143579};
  std::array<std::byte, kStripe> pending_ = {};
  std::uint64_t length_ = 0;
};

}  // namespace bantam
