// The normalizers of tokenizer.json: NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend,
// Replace, ByteLevel, Nmt, BertNormalizer, Precompiled and Sequence.
//
// Immutable; any thread. A pipeline whose own strings could make a text more than kMaxGrowth times
// as long is refused when it is parsed (S17).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace bantam {

inline constexpr std::size_t kMaxGrowth = 64;

class Normalizer {
 public:
  // One step: text in, text out. Input that is not UTF-8 comes out with its broken bytes as they
  // are, unless the step's own definition needs characters.
  class Step {
   public:
    virtual ~Step() = default;
    virtual std::string apply(std::string text) const = 0;
  };

  // `value` is /normalizer of tokenizer.json (null: no steps); `path` its JSON pointer for errors.
  // kUnsupported "tokenizer_unsupported" names an unknown type and those that are known.
  static Result<Normalizer> parse(const Json& value, std::string_view path = "/normalizer");
  // From bantam.tokenizer.normalizer; no steps when absent.
  static Result<Normalizer> parse_text(std::string_view json);

  bool empty() const { return steps_.empty(); }
  std::string apply(std::string_view text) const;

 private:
  std::vector<std::shared_ptr<const Step>> steps_;
};

}  // namespace bantam
