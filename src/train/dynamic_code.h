// Numbers in eight bits whose precision follows their size: what an optimizer's moments are kept
// in (Dettmers, Lewis, Shleifer and Zettlemoyer, "8-bit optimizers via block-wise quantization",
// 2022; the code is that of Dettmers, "8-bit approximations for parallelism in deep learning",
// 2016).
//
// A block of up to 256 numbers has one float, its largest magnitude; the numbers over it are coded
// as a dynamic tree. Of the n bits of a magnitude e leading zeros are a power of ten, the first one
// ends them, and the f bits k that are left are a place in that decade:
//   10^-e · (0.1 + 0.9 (k + 1) / 2^f)          all bits zero: 0
// so larger codes are larger numbers, and the largest is 1: a block's largest magnitude comes back
// as it was. With a sign n is 7 and the smallest number 1e-6, without one n is 8 and it is 1e-7.
//
// A number takes the nearest code. But a magnitude without sign that is not 0 never becomes 0:
// second moments are divided by, and one that vanished while the first moment did not would make a
// step of any length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bantam {

inline constexpr std::size_t kDynamicBlock = 256;

enum class DynamicSign : std::uint8_t { kSigned, kUnsigned };

// Of a code, for a block whose largest magnitude is 1.
float dynamic_value(DynamicSign sign, std::uint8_t code);

// Codes of one block, and its largest magnitude as the answer. Without sign no value is negative.
// Where a value is not finite the codes say nothing, but are written.
float encode_dynamic(DynamicSign sign, std::span<const float> values, std::uint8_t* codes);
void decode_dynamic(DynamicSign sign, float largest, std::span<const std::uint8_t> codes,
                    float* values);

}  // namespace bantam
