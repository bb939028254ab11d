// Everything that a table is made of, in the order in which one builds on the other. The
// vocabulary comes first, from whoever includes this.
// clang-format off
#include "kernels/formats.inl"
#include "kernels/formats_few.inl"
#include "kernels/formats_iqk.inl"
#include "kernels/formats_trellis.inl"
#include "kernels/matmul_pack.inl"
#include "kernels/matmul_kind.inl"
#include "kernels/matmul_thin.inl"
#include "kernels/matmul_wide.inl"
#include "kernels/matmul_float.inl"
#include "kernels/rowwise.inl"
#include "kernels/kv_formats.inl"
#include "kernels/attention.inl"
#include "kernels/product.inl"
#include "kernels/gradients.inl"
#include "kernels/peaks.inl"
#include "kernels/table.inl"
// clang-format on
