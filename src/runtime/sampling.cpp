#include "runtime/sampling.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxStopStrings = 16, kMaxStopBytes = 256;
constexpr std::size_t kMaxBiases = 4096, kMaxBreakers = 64;

std::unexpected<Error> invalid(std::string_view option, std::string message) {
  return std::unexpected(Error{.kind = ErrorKind::kUsage,
                               .code = "invalid_param",
                               .message = std::move(message),
                               .where = std::string(option),
                               .hint = {}});
}

// Written so that NaN is outside of every range.
Result<void> within(std::string_view option, double value, double low, double high) {
  if (value >= low && value <= high) return {};
  return invalid(option, fmt::format("{} is not between {} and {}", value, low, high));
}

Result<void> above(std::string_view option, double value, double low, double high) {
  if (value > low && value <= high) return {};
  return invalid(option, fmt::format("{} is not above {} and at most {}", value, low, high));
}

Result<void> at_least(std::string_view option, std::int64_t value, std::int64_t low) {
  if (value >= low) return {};
  return invalid(option, fmt::format("{} is less than {}", value, low));
}

Result<void> token_id(std::string_view option, std::int32_t id, std::size_t vocab_size) {
  if (id >= 0 && static_cast<std::size_t>(id) < vocab_size) return {};
  return invalid(option,
                 fmt::format("there is no token {}; ids go from 0 to {}", id, vocab_size - 1));
}

}  // namespace

Result<void> validate(const SamplingOptions& options, std::size_t vocab_size) {
  TRY(within("temperature", options.temperature, 0, 2));
  TRY(at_least("top_k", options.top_k, 0));
  TRY(above("top_p", options.top_p, 0, 1));
  TRY(within("min_p", options.min_p, 0, 1));
  TRY(above("typical_p", options.typical_p, 0, 1));
  TRY(above("repetition_penalty", options.repetition_penalty, 0, 10));
  TRY(within("frequency_penalty", options.frequency_penalty, -2, 2));
  TRY(within("presence_penalty", options.presence_penalty, -2, 2));
  TRY(at_least("penalty_window", options.penalty_window, -1));
  TRY(within("dry_multiplier", options.dry_multiplier, 0, 100));
  TRY(within("dry_base", options.dry_base, 1, 100));
  TRY(at_least("dry_allowed_length", options.dry_allowed_length, 0));
  if (options.dry_breakers.size() > kMaxBreakers) {
    return invalid("dry_breakers", fmt::format("{} breakers, at most {} are taken",
                                               options.dry_breakers.size(), kMaxBreakers));
  }
  TRY(within("xtc_probability", options.xtc_probability, 0, 1));
  TRY(within("xtc_threshold", options.xtc_threshold, 0, 0.5));
  if (options.logit_bias.size() > kMaxBiases) {
    return invalid("logit_bias", fmt::format("{} entries, at most {} are taken",
                                             options.logit_bias.size(), kMaxBiases));
  }
  for (const auto& [id, addend] : options.logit_bias) {
    TRY(token_id("logit_bias", id, vocab_size));
    TRY(within("logit_bias", addend, -100, 100));
  }
  return {};
}

Result<void> validate(const StopOptions& options, std::size_t vocab_size) {
  TRY(at_least("max_tokens", options.max_tokens, -1));
  if (options.strings.size() > kMaxStopStrings) {
    return invalid("stop", fmt::format("{} strings, at most {} are taken", options.strings.size(),
                                       kMaxStopStrings));
  }
  for (const std::string& text : options.strings) {
    if (text.empty()) return invalid("stop", "a stop string is empty");
    if (text.size() > kMaxStopBytes) {
      return invalid("stop", fmt::format("a stop string has {} bytes, at most {} are taken",
                                         text.size(), kMaxStopBytes));
    }
  }
  for (const std::int32_t id : options.tokens) TRY(token_id("stop", id, vocab_size));
  return {};
}

}  // namespace bantam
