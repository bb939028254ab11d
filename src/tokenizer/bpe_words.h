// The words of a text and how often each occurs. For bpe_trainer.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"

namespace bantam {

// Sorted by their bytes. Texts are cut at the spellings in `control`. The words do not depend on
// the number of threads: long texts are cut at places that depend on the text alone. kUnsupported
// "tokenizer_unsupported" for an unknown pre-tokenizer.
Result<std::vector<std::pair<std::string, std::int64_t>>> count_words(
    std::span<const std::string_view> texts, std::string_view pretokenizer,
    const std::vector<std::string>& control, ThreadPool& pool);

}  // namespace bantam
