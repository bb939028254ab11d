// One block to floats and back: what the rows of the codec table are made of. Not for use outside
// this folder.
//
// A block has dtype_info(Block::kType).block_elements elements, and every array here that many.
// Decoding is correctly rounded: an element is the exact value of the formula in storage_types.h,
// rounded once to float. (The products are exact, an f16 having eleven bits and the other factors
// no more than thirteen between them; at most one addition follows.) Where rows have headers, `d`
// is the row's, and storage_types_iqk.h says where a second rounding is part of the format.
#pragma once

#include <span>

#include "tensor/storage_types_iqk.h"

namespace bantam {

void decode_block(const BlockQ4_0& block, float* out);
void decode_block(const BlockQ4_1& block, float* out);
void decode_block(const BlockQ5_0& block, float* out);
void decode_block(const BlockQ5_1& block, float* out);
void decode_block(const BlockQ8_0& block, float* out);
void decode_block(const BlockQ8_1& block, float* out);
void decode_block(const BlockQ1_0& block, float* out);
void decode_block(const BlockQ2_0& block, float* out);
void decode_block(const BlockQ2_K& block, float* out);
void decode_block(const BlockQ3_K& block, float* out);
void decode_block(const BlockQ4_K& block, float* out);
void decode_block(const BlockQ5_K& block, float* out);
void decode_block(const BlockQ6_K& block, float* out);
void decode_block(const BlockQ8_K& block, float* out);
void decode_block(const BlockIQ4_NL& block, float* out);
void decode_block(const BlockIQ4_XS& block, float* out);
void decode_block(const BlockMXFP4& block, float* out);
void decode_block(const BlockNVFP4& block, float* out);
void decode_block(const BlockTQ1_0& block, float* out);
void decode_block(const BlockTQ2_0& block, float* out);
void decode_block(const BlockQ6_0& block, float* out);
void decode_block(const BlockIQ1_BN& block, float d, float* out);
void decode_block(const BlockIQ2_BN& block, float d, float* out);
void decode_block(const BlockQ8_KV& block, float d, float* out);
void decode_block(const BlockIQ2_K& block, float* out);
void decode_block(const BlockIQ3_K& block, float* out);
void decode_block(const BlockIQ4_K& block, float* out);
void decode_block(const BlockIQ5_K& block, float* out);
void decode_block(const BlockIQ6_K& block, float* out);
void decode_block(const BlockIQ2_KS& block, float d, float* out);
void decode_block(const BlockIQ3_KS& block, float d, float* out);
void decode_block(const BlockIQ4_KS& block, float d, float* out);
void decode_block(const BlockIQ4_KSS& block, float d, float* out);
void decode_block(const BlockIQ5_KS& block, float d, float* out);
void decode_block(const BlockIQ1_KT& block, float d, float* out);
void decode_block(const BlockIQ2_KT& block, float d, float* out);
void decode_block(const BlockIQ3_KT& block, float d, float* out);
void decode_block(const BlockIQ4_KT& block, float d, float* out);

// `importance` is null or as long as `in`.
void encode_block(const float* in, const float* importance, BlockQ4_0& block);
void encode_block(const float* in, const float* importance, BlockQ4_1& block);
void encode_block(const float* in, const float* importance, BlockQ5_0& block);
void encode_block(const float* in, const float* importance, BlockQ5_1& block);
void encode_block(const float* in, const float* importance, BlockQ8_0& block);
void encode_block(const float* in, const float* importance, BlockQ4_K& block);
void encode_block(const float* in, const float* importance, BlockQ5_K& block);
void encode_block(const float* in, const float* importance, BlockQ6_K& block);
void encode_block(const float* in, const float* importance, BlockIQ4_NL& block);
void encode_block(const float* in, const float* importance, BlockIQ4_XS& block);
void encode_block(const float* in, const float* importance, BlockMXFP4& block);
void encode_block(const float* in, const float* importance, BlockNVFP4& block);
void encode_block(const float* in, const float* importance, BlockTQ1_0& block);
void encode_block(const float* in, const float* importance, BlockTQ2_0& block);
void encode_block(const float* in, const float* importance, BlockQ1_0& block);
void encode_block(const float* in, const float* importance, BlockQ2_0& block);
void encode_block(const float* in, const float* importance, BlockQ6_0& block);
void encode_block(const float* in, const float* importance, BlockIQ2_K& block);
void encode_block(const float* in, const float* importance, BlockIQ3_K& block);
void encode_block(const float* in, const float* importance, BlockIQ4_K& block);
void encode_block(const float* in, const float* importance, BlockIQ5_K& block);
void encode_block(const float* in, const float* importance, BlockIQ6_K& block);

// Where rows have headers: all of a row and its header. `importance` as above.
void encode_row(std::span<const float> in, const float* importance, RowScaleF16& header,
                BlockIQ1_BN* blocks);
void encode_row(std::span<const float> in, const float* importance, RowScaleF32& header,
                BlockIQ2_BN* blocks);
void encode_row(std::span<const float> in, const float* importance, RowScaleAndSum& header,
                BlockQ8_KV* blocks);
void encode_row(std::span<const float> in, const float* importance, RowScaleF16& header,
                BlockIQ2_KS* blocks);
void encode_row(std::span<const float> in, const float* importance, RowScaleF16& header,
                BlockIQ3_KS* blocks);
void encode_row(std::span<const float> in, const float* importance, RowScaleF32& header,
                BlockIQ4_KS* blocks);
void encode_row(std::span<const float> in, const float* importance, RowScaleF32& header,
                BlockIQ4_KSS* blocks);
void encode_row(std::span<const float> in, const float* importance, RowScaleF32& header,
                BlockIQ5_KS* blocks);

}  // namespace bantam
