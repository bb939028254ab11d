#include "tokenizer/stream_decoder.h"

#include <algorithm>

#include "base/unicode.h"

namespace bantam {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, std::vector<std::string> stops,
                             bool show_control)
    : tokenizer_(tokenizer), stops_(std::move(stops)), show_control_(show_control) {}

std::string StreamDecoder::push(TokenId id) {
  if (stopped_) return {};
  std::string piece = tokenizer_.piece_bytes(id, show_control_);
  if (piece.empty()) return {};
  if (!begun_ && piece.starts_with(' ') && tokenizer_.drops_leading_space()) piece.erase(0, 1);
  begun_ = true;
  bytes_ += piece;
  return release(false);
}

std::string StreamDecoder::finish() { return stopped_ ? std::string() : release(true); }

// Moves whole characters from bytes_ to text_, and from there gives out what no stop string can
// begin in.
std::string StreamDecoder::release(bool last) {
  const std::size_t whole = bytes_.size() - (last ? 0 : incomplete_utf8_tail(bytes_));
  text_ += repair_utf8(std::string_view(bytes_).substr(0, whole));
  bytes_.erase(0, whole);

  // The earliest place where a stop string begins, or may begin when more text comes.
  std::size_t safe = text_.size(), found = text_.size();
  std::optional<std::size_t> stop;
  const std::string_view text = text_;
  for (std::size_t i = 0; i < stops_.size(); ++i) {
    const std::string& wanted = stops_[i];
    if (wanted.empty()) continue;
    const std::size_t at = text.find(wanted);
    if (at != std::string_view::npos) {
      const bool better =
          !stop || at < found || (at == found && wanted.size() < stops_[*stop].size());
      if (better) {
        found = at;
        stop = i;
      }
    } else if (!last) {
      std::size_t begin = text.size() - std::min(text.size(), wanted.size() - 1);
      while (!std::string_view(wanted).starts_with(text.substr(begin))) ++begin;
      safe = std::min(safe, begin);
    }
  }
  // One that may begin earlier has to be waited for.
  if (stop && found <= safe) {
    stopped_ = stop;
    std::string out = text_.substr(0, found);
    text_.clear();
    bytes_.clear();
    return out;
  }
  std::string out = text_.substr(0, std::min(safe, found));
  text_.erase(0, out.size());
  return out;
}

}  // namespace bantam
