// Row functions, written once on the vocabulary of vec_*.h. What each computes: rowwise.h.

// --- Functions of sixteen floats ----------------------------------------------------------------

// 2^n for n in [-252, 254], in two factors because one float reaches only half as far.
inline Floats times_power_of_two(const Floats& x, const Ints& n) {
  const Ints half = shift_right<1>(n);
  const Ints bias = splat_int(127);
  const Floats first = as_floats(shift_left<23>(add(half, bias)));
  const Floats second = as_floats(shift_left<23>(add(sub(n, half), bias)));
  return mul(mul(x, first), second);
}

// x - n ln 2 for a whole n, in two steps.
inline Floats exp_remainder(const Floats& n, const Floats& x) {
  return fma(n, splat(-0x1.7f7d1cp-20f), fma(n, splat(-0x1.62e400p-1f), x));
}
// exp(r) = 1 + r + r^2 P(r) for r in [-0.35, 0.35], P of degree 4 by Remez exchange (8e-9).
inline Floats exp_small(const Floats& r) {
  Floats p = splat(0.00139421655f);
  p = fma(p, r, splat(0.00836377591f));
  p = fma(p, r, splat(0.0416663624f));
  p = fma(p, r, splat(0.166665733f));
  p = fma(p, r, splat(0.5f));
  return add(fma(p, mul(r, r), r), splat(1.0f));
}
// exp(x) = 2^n exp(x - n ln 2). Below -103.98 every float gives 0, above 88.73 infinity.
inline Floats exp(const Floats& x) {
  const Floats low = splat(-104.0f), high = splat(89.0f);
  // NaN survives: minimum and maximum give their second operand then.
  const Floats bounded = minimum(high, maximum(low, x));
  const Ints n =
      to_ints(mul(select(less(bounded, splat(90.0f)), bounded, low), splat(0x1.715476p+0f)));
  return times_power_of_two(exp_small(exp_remainder(to_floats(n), bounded)), n);
}

// 1 / (1 + exp(-x)), from exp(-|x|), which cannot overflow.
inline Floats sigmoid(const Floats& x) {
  const Floats zero = splat(0.0f), one = splat(1.0f);
  const Mask negative = less(x, zero);
  const Floats e = exp(select(negative, x, sub(zero, x)));
  return div(select(negative, e, one), add(one, e));
}

// Odd polynomial below 0.64 (5e-9 relative), 1 - 2 / (exp(2 x) + 1) above.
inline Floats tanh(const Floats& x) {
  const Floats z = mul(x, x);
  Floats p = splat(-0.00560391461f);
  p = fma(p, z, splat(0.0205517206f));
  p = fma(p, z, splat(-0.0537141077f));
  p = fma(p, z, splat(0.133311525f));
  p = fma(p, z, splat(-0.333332717f));
  const Floats small = fma(mul(p, z), x, x);
  const Floats one = splat(1.0f);
  const Floats large = sub(one, div(splat(2.0f), add(exp(add(x, x)), one)));
  return select(less(z, splat(0.64f * 0.64f)), small, large);
}

// The upper tail of the normal distribution at t >= 0, exp(-t^2 / 2) R(t): R is half the scaled
// complementary error function, a polynomial in 1 / (1 + 0.3 t) by Remez exchange (6e-8).
inline Floats normal_tail(const Floats& t) {
  const Floats bounded = minimum(splat(14.5f), t);
  const Floats u = div(splat(1.0f), fma(splat(0.3f), bounded, splat(1.0f)));
  Floats p = splat(0.0384073891f);
  p = fma(p, u, splat(-0.169307441f));
  p = fma(p, u, splat(0.228951722f));
  p = fma(p, u, splat(-0.0768396035f));
  p = fma(p, u, splat(0.142765239f));
  p = fma(p, u, splat(0.0945858806f));
  p = fma(p, u, splat(0.121945262f));
  p = fma(p, u, splat(0.119484209f));
  p = fma(p, u, splat(7.37235996e-06f));
  return mul(exp(mul(mul(t, t), splat(-0.5f))), p);
}

struct Silu {
  static Floats of(const Floats& x) { return mul(x, sigmoid(x)); }
};
struct Gelu {
  static Floats of(const Floats& x) {
    const Floats zero = splat(0.0f);
    const Mask negative = less(x, zero);
    const Floats magnitude = select(negative, sub(zero, x), x);
    const Floats tail = mul(x, normal_tail(magnitude));
    return select(negative, tail, sub(x, tail));
  }
};
struct GeluTanh {  // x / 2 (1 + tanh y) = x sigmoid(2 y), y = sqrt(2 / pi) (x + 0.044715 x^3)
  static Floats of(const Floats& x) {
    const Floats cubic = fma(mul(mul(x, x), x), splat(0.044715f), x);
    return mul(x, sigmoid(mul(cubic, splat(1.595769122f))));
  }
};
struct Relu {
  static Floats of(const Floats& x) { return select(less(x, splat(0.0f)), splat(0.0f), x); }
};

// --- Elementwise --------------------------------------------------------------------------------

// out[i] = op(i-th lanes of the inputs), sixteen at a time.
template <typename Op>
inline void map(const Op& op, float* out, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) op.run(i, kLanes, out);
  if (i < n) op.run(i, n - i, out);
}
inline Floats load_some(const float* p, std::int64_t n) {
  return n == kLanes ? load(p) : load_part(p, n);
}
inline void store_some(float* p, const Floats& x, std::int64_t n) {
  if (n == kLanes)
    store(p, x);
  else
    store_part(p, x, n);
}

template <typename F>
struct Unary {
  const float* x;
  void run(std::int64_t i, std::int64_t n, float* out) const {
    store_some(out + i, F::of(load_some(x + i, n)), n);
  }
};
template <typename F>
void unary(const float* x, float* out, std::int64_t n) {
  map(Unary<F>{x}, out, n);
}

template <typename F>
struct Binary {
  const float *a, *b;
  void run(std::int64_t i, std::int64_t n, float* out) const {
    store_some(out + i, F::of(load_some(a + i, n), load_some(b + i, n)), n);
  }
};
template <typename F>
void binary(const float* a, const float* b, float* out, std::int64_t n) {
  map(Binary<F>{a, b}, out, n);
}

template <typename F>
struct WithFactor {
  const float* x;
  float factor;
  void run(std::int64_t i, std::int64_t n, float* out) const {
    store_some(out + i, F::of(load_some(x + i, n), splat(factor), load_some(out + i, n)), n);
  }
};
template <typename F>
void with_factor(const float* x, float factor, float* out, std::int64_t n) {
  map(WithFactor<F>{x, factor}, out, n);
}

struct Exponential {
  static Floats of(const Floats& x) { return exp(x); }
};
struct Add {
  static Floats of(const Floats& a, const Floats& b) { return add(a, b); }
};
struct Multiply {
  static Floats of(const Floats& a, const Floats& b) { return mul(a, b); }
};
template <typename F>
struct Gated {
  static Floats of(const Floats& gate, const Floats& up) { return mul(F::of(gate), up); }
};
struct Scale {
  static Floats of(const Floats& x, const Floats& factor, const Floats&) { return mul(x, factor); }
};
struct AddScaled {
  static Floats of(const Floats& x, const Floats& factor, const Floats& old) {
    return fma(x, factor, old);
  }
};
struct SoftCap {
  static Floats of(const Floats& x, const Floats& cap, const Floats&) {
    return mul(cap, tanh(div(x, cap)));
  }
};

// --- Reductions ---------------------------------------------------------------------------------

inline float sum_of_squares(const float* x, float shift, std::int64_t n) {
  Floats total = splat(0.0f);
  const Floats mean = splat(shift);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Floats d = sub(load(x + i), mean);
    total = fma(d, d, total);
  }
  if (i < n) {
    float rest[16] = {};
    for (std::int64_t j = 0; i + j < n; ++j) rest[j] = x[i + j] - shift;
    const Floats d = load(rest);
    total = fma(d, d, total);
  }
  return sum(total);
}
inline float sum_of(const float* x, std::int64_t n) {
  Floats total = splat(0.0f);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) total = add(total, load(x + i));
  if (i < n) total = add(total, load_part(x + i, n - i));
  return sum(total);
}

inline void rms_norm(const float* x, const float* weight, float epsilon, float* out,
                     std::int64_t n) {
  const float mean = sum_of_squares(x, 0.0f, n) / static_cast<float>(n);
  const Floats factor = splat(1.0f / std::sqrt(mean + epsilon));
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    Floats y = mul(load_some(x + i, count), factor);
    if (weight != nullptr) y = mul(y, load_some(weight + i, count));
    store_some(out + i, y, count);
  }
}

inline void layer_norm(const float* x, const float* weight, const float* bias, float epsilon,
                       float* out, std::int64_t n) {
  const auto count_as_float = static_cast<float>(n);
  const float mean = sum_of(x, n) / count_as_float;
  const float variance = sum_of_squares(x, mean, n) / count_as_float;
  const Floats factor = splat(1.0f / std::sqrt(variance + epsilon)), shift = splat(mean);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    Floats y = mul(sub(load_some(x + i, count), shift), factor);
    if (weight != nullptr) y = mul(y, load_some(weight + i, count));
    if (bias != nullptr) y = add(y, load_some(bias + i, count));
    store_some(out + i, y, count);
  }
}

inline float largest_lane(const Floats& x) {
  const Floats a = maximum(swap_lanes<8>(x), x), b = maximum(swap_lanes<4>(a), a);
  const Floats c = maximum(swap_lanes<2>(b), b);
  return first_lane(maximum(swap_lanes<1>(c), c));
}

// The largest element that is a number; -inf if there is none.
inline float largest_of(const float* x, std::int64_t n) {
  Floats lanes = splat(-std::numeric_limits<float>::infinity());
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) lanes = maximum(load(x + i), lanes);
  float top = largest_lane(lanes);
  for (; i < n; ++i) top = x[i] > top ? x[i] : top;
  return top;
}

// Stores exp(x - top) and returns the sum in sixteen lanes.
inline float exp_and_sum(float* x, float top, std::int64_t n) {
  Floats total = splat(0.0f);
  const Floats shift = splat(top);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Floats e = exp(sub(load(x + i), shift));
    store(x + i, e);
    total = add(total, e);
  }
  if (i < n) {
    store_part(x + i, exp(sub(load_part(x + i, n - i), shift)), n - i);
    total = add(total, load_part(x + i, n - i));
  }
  return sum(total);
}

inline void softmax(float* x, std::int64_t n) {
  const float top = largest_of(x, n);
  const Floats total = splat(exp_and_sum(x, top, n));
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    store_some(x + i, div(load_some(x + i, count), total), count);
  }
}

inline double log_sum_exp(const float* x, std::int64_t n) {
  const float top = largest_of(x, n);
  if (std::isinf(top)) {
    for (std::int64_t i = 0; i < n; ++i)
      if (x[i] != x[i]) return static_cast<double>(x[i]);
    return static_cast<double>(top);
  }
  double total = 0;
  float part[256];  // short float sums, so that a long row loses nothing
  for (std::int64_t i = 0; i < n; i += 256) {
    const std::int64_t count = n - i < 256 ? n - i : 256;
    std::memcpy(part, x + i, static_cast<std::size_t>(count) * sizeof(float));
    total += static_cast<double>(exp_and_sum(part, top, count));
  }
  return static_cast<double>(top) + std::log(total);
}

inline std::int64_t argmax(const float* x, std::int64_t n) {
  const float top = largest_of(x, n);
  for (std::int64_t j = 0; j < n; ++j)
    if (x[j] == top) return j;
  return 0;
}

// --- Rotary embedding ---------------------------------------------------------------------------

// Turns up to sixteen pairs (a[i], b[i]).
inline void rope_lanes(float* a, float* b, const float* cos, const float* sin, std::int64_t n) {
  const Floats x = load_some(a, n), y = load_some(b, n);
  const Floats c = load_some(cos, n), s = load_some(sin, n);
  store_some(a, fma(x, c, sub(splat(0.0f), mul(y, s))), n);
  store_some(b, fma(y, c, mul(x, s)), n);
}
inline void rope_half(float* head, const float* cos, const float* sin, std::int64_t pairs) {
  for (std::int64_t i = 0; i < pairs; i += kLanes) {
    const std::int64_t n = pairs - i < kLanes ? pairs - i : kLanes;
    rope_lanes(head + i, head + pairs + i, cos + i, sin + i, n);
  }
}
inline void rope_interleaved(float* head, const float* cos, const float* sin, std::int64_t pairs) {
  for (std::int64_t i = 0; i < pairs; i += kLanes) {
    const std::int64_t n = pairs - i < kLanes ? pairs - i : kLanes;
    float a[16], b[16];
    for (std::int64_t j = 0; j < n; ++j) a[j] = head[2 * (i + j)], b[j] = head[2 * (i + j) + 1];
    rope_lanes(a, b, cos + i, sin + i, n);
    for (std::int64_t j = 0; j < n; ++j) head[2 * (i + j)] = a[j], head[2 * (i + j) + 1] = b[j];
  }
}

// --- Hadamard rotation --------------------------------------------------------------------------

// Lanes whose number lacks the bit kDistance become x[l] + x[l ^ kDistance], the others
// x[l ^ kDistance] - x[l].
template <int kDistance>
inline Floats butterfly(const Floats& x) {
  alignas(64) static constexpr auto kSigns = [] {
    std::array<float, 16> signs{};
    for (std::size_t i = 0; i < 16; ++i) signs[i] = (i & kDistance) == 0 ? 1.0f : -1.0f;
    return signs;
  }();
  return fma(x, load(kSigns.data()), swap_lanes<kDistance>(x));
}

inline void rotate(float* x, std::int64_t n) {
  const std::int64_t size = n & -n;
  const Floats factor = splat(1.0f / std::sqrt(static_cast<float>(size)));
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    Floats lanes = mul(load_some(x + i, count), factor);
    if (size > 1) lanes = butterfly<1>(lanes);
    if (size > 2) lanes = butterfly<2>(lanes);
    if (size > 4) lanes = butterfly<4>(lanes);
    if (size > 8) lanes = butterfly<8>(lanes);
    store_some(x + i, lanes, count);
  }
  for (std::int64_t distance = kLanes; distance < size; distance *= 2)
    for (std::int64_t i = 0; i < n; i += kLanes) {
      if ((i & distance) != 0) continue;
      const Floats a = load(x + i), b = load(x + i + distance);
      store(x + i, add(a, b));
      store(x + i + distance, sub(a, b));
    }
}

// --- Formats ------------------------------------------------------------------------------------

inline void row_to_f16(const float* x, std::uint16_t* out, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) to_f16(out + i, load(x + i));
  for (; i < n; ++i) out[i] = float_to_f16(x[i]);
}
inline void row_from_f16(const std::uint16_t* x, float* out, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, from_f16(x + i));
  for (; i < n; ++i) out[i] = f16_to_float(x[i]);
}
inline void row_to_bf16(const float* x, std::uint16_t* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = float_to_bf16(x[i]);
}
inline void row_from_bf16(const std::uint16_t* x, float* out, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, from_bf16(x + i));
  for (; i < n; ++i) out[i] = bf16_to_float(x[i]);
}
