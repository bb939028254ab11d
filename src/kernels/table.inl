// The table of an instruction set, made of everything included before.

template <typename Header>
inline float scale_of_row(const std::byte* row) {
  return reinterpret_cast<const Header*>(row)->d();
}

template <typename Format>
constexpr IntegerDot integer_dot() {
  IntegerDot dot = {Format::kType, thin_dot<Format>, wide_dot<Format>, nullptr};
  if constexpr (requires { typename Format::RowHeader; })
    dot.row_scale = scale_of_row<typename Format::RowHeader>;
  return dot;
}

inline constexpr IntegerDot kIntegerDots[] = {
    integer_dot<FormatQ4_0>(),   integer_dot<FormatQ4_1>(),    integer_dot<FormatQ5_0>(),
    integer_dot<FormatQ5_1>(),   integer_dot<FormatQ8_0>(),    integer_dot<FormatQ2_K>(),
    integer_dot<FormatQ3_K>(),   integer_dot<FormatQ4_K>(),    integer_dot<FormatQ5_K>(),
    integer_dot<FormatQ6_K>(),   integer_dot<FormatIQ4_NL>(),  integer_dot<FormatIQ4_XS>(),
    integer_dot<FormatMXFP4>(),  integer_dot<FormatNVFP4>(),   integer_dot<FormatQ8_1>(),
    integer_dot<FormatQ8_K>(),   integer_dot<FormatQ1_0>(),    integer_dot<FormatQ2_0>(),
    integer_dot<FormatTQ1_0>(),  integer_dot<FormatTQ2_0>(),   integer_dot<FormatIQ1_BN>(),
    integer_dot<FormatIQ2_BN>(), integer_dot<FormatQ8_KV>(),   integer_dot<FormatQ6_0>(),
    integer_dot<FormatIQ2_K>(),  integer_dot<FormatIQ3_K>(),   integer_dot<FormatIQ4_K>(),
    integer_dot<FormatIQ5_K>(),  integer_dot<FormatIQ2_KS>(),  integer_dot<FormatIQ3_KS>(),
    integer_dot<FormatIQ4_KS>(), integer_dot<FormatIQ4_KSS>(), integer_dot<FormatIQ5_KS>(),
    integer_dot<FormatIQ1_KT>(), integer_dot<FormatIQ2_KT>(),  integer_dot<FormatIQ3_KT>(),
    integer_dot<FormatIQ4_KT>(),
};
inline constexpr FloatDot kFloatDots[] = {
    {DType::kF32, float_dot<F32Weights>},       {DType::kF16, float_dot<F16Weights>},
    {DType::kBF16, float_dot<BF16Weights>},     {DType::kF8E4M3, float_dot<F8E4M3Weights>},
    {DType::kF8E5M2, float_dot<F8E5M2Weights>},
};

template <typename Kv>
constexpr KvFormat kv_format() {
  return {Kv::kType, pack_key<Kv>, pack_value<Kv>, unpack_keys<Kv>, unpack_values<Kv>};
}
template <typename Kv>
constexpr KvFormat packed_kv_format() {
  return {Kv::kType, pack_key_blocks<Kv>, pack_value_blocks<Kv>, unpack_key_blocks<Kv>,
          unpack_value_blocks<Kv>};
}
inline constexpr KvFormat kKvFormats[] = {
    kv_format<F32Kv>(),       kv_format<F16Kv>(),       kv_format<BF16Kv>(),
    packed_kv_format<Q8Kv>(), packed_kv_format<Q4Kv>(),
};

constexpr KernelTable make_table(std::string_view name) {
  return {
      .name = name,
      .integer_dots = kIntegerDots,
      .float_dots = kFloatDots,
      .pack_row = pack_row,
      .rms_norm = rms_norm,
      .layer_norm = layer_norm,
      .softmax = softmax,
      .rope_interleaved = rope_interleaved,
      .rope_half = rope_half,
      .activate = {unary<Silu>, unary<Gelu>, unary<GeluTanh>, unary<Relu>},
      .gated = {binary<Gated<Silu>>, binary<Gated<Gelu>>, binary<Gated<GeluTanh>>,
                binary<Gated<Relu>>},
      .add = binary<Add>,
      .multiply = binary<Multiply>,
      .rotate = rotate,
      .scale = with_factor<Scale>,
      .add_scaled = with_factor<AddScaled>,
      .soft_cap = with_factor<SoftCap>,
      .exponential = unary<Exponential>,
      .log_sum_exp = log_sum_exp,
      .argmax = argmax,
      .to_f16 = row_to_f16,
      .from_f16 = row_from_f16,
      .to_bf16 = row_to_bf16,
      .from_bf16 = row_from_bf16,
      .kv_formats = kKvFormats,
      .attend = attend,
      .merge = merge,
      .multiply_block = multiply_block,
      .rms_norm_backward = rms_norm_backward,
      .add_product = add_product,
      .dot = dot,
      .activate_backward = {activate_backward<Silu>, activate_backward<Gelu>,
                            activate_backward<GeluTanh>, activate_backward<Relu>},
      .gated_backward = {gated_backward<Silu>, gated_backward<Gelu>, gated_backward<GeluTanh>,
                         gated_backward<Relu>},
      .softmax_backward = softmax_backward,
      .exponential_shifted = exponential_shifted,
      .adamw = adamw,
      .peaks = {.int8 = peak_int8, .bf16 = peak_widened_bf16, .f32 = peak_f32, .read = peak_read},
  };
}
