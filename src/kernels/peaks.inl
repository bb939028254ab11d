// Loops that measure what the instruction set itself can do; peaks.h says what they count.
//
// opaque() stands between the steps, so that the compiler can neither hoist a product out of the
// loop nor share it among the chains; it costs no instruction.

inline constexpr std::int64_t kPeakUnroll = 4;  // steps of every chain in a round

template <typename Sum>
inline void keep(const Sum (&sums)[kPeakChains]) {
  Sum total = sums[0];
  for (int c = 1; c < kPeakChains; ++c) total = add(total, sums[c]);
  if constexpr (requires { to_floats(total); }) {
    Floats floats = to_floats(total);
    opaque(floats);
  } else {
    opaque(total);
  }
}

inline std::int64_t peak_int8(std::int64_t rounds) {
  Ints sums[kPeakChains];
  for (Ints& sum : sums) sum = splat_int(0);
  Bytes weights = splat_byte(3), x = splat_byte(2);
  opaque(weights);
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int step = 0; step < kPeakUnroll; ++step) {
      for (Ints& sum : sums) {
        opaque(x);
        sum = dot_unsigned(sum, weights, x);
      }
    }
  }
  keep(sums);
  return rounds * kPeakUnroll * kPeakChains * 64 * 2;
}

inline std::int64_t peak_f32(std::int64_t rounds) {
  Floats sums[kPeakChains];
  for (Floats& sum : sums) sum = splat(0);
  Floats weights = splat(0x1p-8F), x = splat(0x1p-8F);
  opaque(weights);
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int step = 0; step < kPeakUnroll; ++step) {
      for (Floats& sum : sums) {
        opaque(x);
        sum = fma(weights, x, sum);
      }
    }
  }
  keep(sums);
  return rounds * kPeakUnroll * kPeakChains * kLanes * 2;
}

// A 32-bit word holds two BF16: the even one is a float when shifted up, the odd one when the
// even one is masked off. The activations are floats already, as they are in a product.
inline std::int64_t peak_widened_bf16(std::int64_t rounds) {
  Floats sums[kPeakChains];
  for (Floats& sum : sums) sum = splat(0);
  Floats weights = as_floats(splat_int(0x3B803B80)), x = splat(0x1p-8F);
  const Ints odd = splat_int(static_cast<std::int32_t>(0xFFFF0000));
  opaque(x);
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int step = 0; step < kPeakUnroll; ++step) {
      for (Floats& sum : sums) {
        opaque(weights);
        sum = fma(as_floats(shift_left<16>(as_ints(weights))), x, sum);
        sum = fma(as_floats(bit_and(as_ints(weights), odd)), x, sum);
      }
    }
  }
  keep(sums);
  return rounds * kPeakUnroll * kPeakChains * kLanes * 4;
}

inline void peak_read(const std::byte* from, std::size_t bytes) {
  constexpr std::size_t kStep = 256, kAhead = 4096;  // past the page at which hardware stops
  Bytes seen[4] = {splat_byte(0), splat_byte(0), splat_byte(0), splat_byte(0)};
  for (std::size_t at = 0; at < bytes; at += kStep) {
    for (std::size_t line = 0; line < 4; ++line) {
      const std::byte* p = from + at + 64 * line;
      __builtin_prefetch(p + kAhead);  // of an address past the end: no fault, no effect
      seen[line] = bit_or(seen[line], load_bytes(p));
    }
  }
  for (Bytes& line : seen) opaque(line);
}
