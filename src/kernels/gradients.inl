// Derivatives of the row functions, written once. What each computes: gradients.h.

inline float dot(const float* a, const float* b, std::int64_t n) {
  Floats total = splat(0.0f);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    total = fma(load_some(a + i, count), load_some(b + i, count), total);
  }
  return sum(total);
}

inline float rms_norm_backward(const float* x, const float* weight, float epsilon, const float* dy,
                               float* dx, std::int64_t n) {
  const auto count_as_float = static_cast<float>(n);
  const float r = 1.0f / std::sqrt(sum_of_squares(x, 0.0f, n) / count_as_float + epsilon);
  const auto weighted = [&](std::int64_t i, std::int64_t count) {
    const Floats d = load_some(dy + i, count);
    return weight == nullptr ? d : mul(d, load_some(weight + i, count));
  };
  Floats lanes = splat(0.0f);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    lanes = fma(weighted(i, count), load_some(x + i, count), lanes);
  }
  const Floats factor = splat(r), along = splat(-(r * r * r) * (sum(lanes) / count_as_float));
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    const Floats d = fma(weighted(i, count), factor, load_some(dx + i, count));
    store_some(dx + i, fma(load_some(x + i, count), along, d), count);
  }
  return r;
}

inline void add_product(const float* a, const float* b, float factor, float* inout,
                        std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    const Floats scaled = mul(load_some(a + i, count), splat(factor));
    store_some(inout + i, fma(scaled, load_some(b + i, count), load_some(inout + i, count)), count);
  }
}

// --- Activations --------------------------------------------------------------------------------

// The derivative of each function of rowwise.inl.
template <typename F>
struct Derivative;
template <>
struct Derivative<Silu> {  // s + x s (1 - s)
  static Floats of(const Floats& x) {
    const Floats s = sigmoid(x);
    return fma(mul(x, s), sub(splat(1.0f), s), s);
  }
};
template <>
struct Derivative<Gelu> {  // Φ(x) + x φ(x)
  static Floats of(const Floats& x) {
    const Floats zero = splat(0.0f), half_square = mul(mul(x, x), splat(-0.5f));
    const Mask negative = less(x, zero);
    const Floats tail = normal_tail(select(negative, sub(zero, x), x));
    const Floats below = select(negative, tail, sub(splat(1.0f), tail));
    return fma(mul(x, splat(0.3989422804f)), exp(half_square), below);
  }
};
template <>
struct Derivative<GeluTanh> {  // s + x s (1 - s) g'(x) with s = sigmoid(g(x))
  static Floats of(const Floats& x) {
    const Floats square = mul(x, x), scale = splat(1.595769122f);
    const Floats s = sigmoid(mul(fma(mul(square, x), splat(0.044715f), x), scale));
    const Floats slope = mul(scale, fma(square, splat(0.134145f), splat(1.0f)));
    return fma(mul(mul(x, s), sub(splat(1.0f), s)), slope, s);
  }
};
template <>
struct Derivative<Relu> {
  static Floats of(const Floats& x) {
    return select(less(splat(0.0f), x), splat(1.0f), splat(0.0f));
  }
};

template <typename F>
void activate_backward(const float* x, const float* dy, float* dx, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    const Floats slope = Derivative<F>::of(load_some(x + i, count));
    store_some(dx + i, fma(load_some(dy + i, count), slope, load_some(dx + i, count)), count);
  }
}

template <typename F>
void gated_backward(const float* gate, const float* up, const float* dy, float* d_gate, float* d_up,
                    std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    const Floats g = load_some(gate + i, count), d = load_some(dy + i, count);
    const Floats through = mul(d, load_some(up + i, count));
    store_some(d_gate + i, fma(through, Derivative<F>::of(g), load_some(d_gate + i, count)), count);
    store_some(d_up + i, fma(d, F::of(g), load_some(d_up + i, count)), count);
  }
}

// --- Softmax ------------------------------------------------------------------------------------

inline void softmax_backward(const float* p, float factor, float* dp, std::int64_t n) {
  const Floats mean = splat(dot(p, dp, n)), scale = splat(factor);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    const Floats d = mul(load_some(p + i, count), sub(load_some(dp + i, count), mean));
    store_some(dp + i, mul(d, scale), count);
  }
}

inline void exponential_shifted(float* x, float shift, float factor, std::int64_t n) {
  const Floats by = splat(shift), scale = splat(factor);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    store_some(x + i, mul(exp(sub(load_some(x + i, count), by)), scale), count);
  }
}

// --- Optimizers ---------------------------------------------------------------------------------

inline void adamw(const AdamwStep& step, const float* gradients, float* first, float* second,
                  float* values, std::int64_t n) {
  const Floats beta1 = splat(step.beta1), beta2 = splat(step.beta2);
  const Floats rest1 = splat(1.0f - step.beta1), rest2 = splat(1.0f - step.beta2);
  const Floats bias1 = splat(step.bias1), bias2 = splat(step.bias2);
  const Floats epsilon = splat(step.epsilon), rate = splat(-step.rate), decay = splat(step.decay);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    const Floats g = mul(load_some(gradients + i, count), splat(step.scale));
    const Floats m = fma(beta1, load_some(first + i, count), mul(rest1, g));
    const Floats v = fma(beta2, load_some(second + i, count), mul(rest2, mul(g, g)));
    const Floats w = load_some(values + i, count);
    const Floats size = add(square_root(div(v, bias2)), epsilon);
    const Floats move = fma(decay, w, div(div(m, bias1), size));
    store_some(first + i, m, count);
    store_some(second + i, v, count);
    store_some(values + i, fma(rate, move, w), count);
  }
}
