// Rounding that the rest of a row makes up for.
//
// What a layer's output loses by rounding a weight depends on what the layer is given. With
// H = Σ x xᵀ over the inputs x of some text, the error that rounding a block of columns makes is
// spread over the columns that come after it, so that the change of the outputs is least; then the
// next block is rounded. Source: Frantar et al., "GPTQ", 2022; here a block is one of the storage
// type's, which is rounded as a whole, instead of a single column.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "codec/codec.h"
#include "models/decoder.h"

namespace bantam {

class Compensation {
 public:
  // Most memory for the matrices, of 8 in² bytes each; there is one for each input that layers
  // have, so layers of one input share it.
  static constexpr std::uint64_t kMostBytes = std::uint64_t{4} << 30;

  // Runs the texts (token ids; empty ones and what is past the context are left out) through the
  // decoder and looks at what its layers are given. The head is left out, and so are the widest
  // inputs, from the last layer on, until the rest fits into `most_bytes`. "out_of_memory".
  static Result<Compensation> collect(const Decoder& decoder,
                                      std::span<const std::vector<std::int32_t>> texts,
                                      ThreadPool& pool, std::uint64_t most_bytes = kMostBytes);

  // Inputs that did not fit: their layers round to nearest.
  std::size_t left_out() const { return left_out_; }

  // Whether anything is known of the inputs of a layer with this weight, by where it lies.
  bool knows(const std::byte* weight) const { return factor_of_.contains(weight); }
  // `row` of that layer's weight (or of what it became) into blocks. CHECKs that it knows the
  // weight, and that the type has no row headers. Any number of threads.
  void encode(const std::byte* weight, const Codec& codec, std::span<const float> row,
              std::byte* blocks) const;

 private:
  // U (in, in), upper triangular: H⁻¹ = Uᵀ U.
  using Factor = std::vector<double>;

  std::vector<Factor> factors_;
  std::map<const std::byte*, std::size_t> factor_of_;
  std::size_t left_out_ = 0;
};

}  // namespace bantam
