// A model of random weights, made straight in the storage types of a recipe: what a benchmark
// needs, in seconds and without a download.
//
// The weights lie in memory, in pages of the usual size, as those of a mapped file do. (Memory
// rather than a temporary file: it costs no writing, leaves nothing behind whatever happens, and
// whoever wants the file can write it with write_gguf().)
//
// For each type and row length a pool of normally distributed rows is encoded, of deviation
// 1/sqrt(inputs), so that activations keep their size from layer to layer; each row of a matrix is
// a stretch of its pool from a place drawn at random. So every block is one that an encoder makes,
// for any type that has an encoder. The same outline and recipe give the same bytes everywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/thread_pool.h"
#include "compress/recipe.h"
#include "formats/weight_file.h"

namespace bantam {

// What the tensors of an outline take under a recipe. kUnsupported "dtype_unsupported" if a type
// cannot be made.
Result<std::uint64_t> planned_bytes(const WeightFile& outline, const Recipe& recipe);

// Tensors of `outline` (names and shapes; those that have data are copied) with random data, and
// a byte-level vocabulary of the embedding's size. kTooLarge "out_of_memory" if the system has no
// room: compare planned_bytes() with what is free first.
Result<std::shared_ptr<WeightFile>> random_weights(const WeightFile& outline, const Recipe& recipe,
                                                   ThreadPool& pool);

}  // namespace bantam
