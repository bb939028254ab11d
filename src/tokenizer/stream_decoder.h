// Tokens to text as they come, for streaming.
//
// The text given out so far never ends inside a UTF-8 character nor with something that may still
// become a stop string; what all calls give, put together, is the text of the whole sequence
// (Tokenizer::decode), cut before the first stop string, with broken bytes replaced by U+FFFD as
// repair_utf8() does. One thread at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"

namespace bantam {

class StreamDecoder {
 public:
  // The tokenizer must outlive the decoder. Stop strings are compared with the repaired text; the
  // one that begins first counts, and of several that begin there the shortest. Empty ones are
  // ignored.
  explicit StreamDecoder(const Tokenizer& tokenizer, std::vector<std::string> stops = {},
                         bool show_control = false);

  // The tokens to come continue a text that was begun elsewhere (a prompt), so a space before the
  // first of them is the text's own and is kept. Call before the first push.
  void continue_text() { begun_ = true; }

  // The text that this token makes certain; may be empty. Nothing after a stop string.
  std::string push(TokenId id);
  // The text held back: call once, when no more tokens come.
  std::string finish();

  // The stop string that was found, as an index into `stops`. The text ends before it.
  std::optional<std::size_t> stopped() const { return stopped_; }
  // Bytes of text held back at the moment.
  std::size_t held() const { return bytes_.size() + text_.size(); }

 private:
  std::string release(bool last);

  const Tokenizer& tokenizer_;
  std::vector<std::string> stops_;
  bool show_control_;
  bool begun_ = false;  // some token has given bytes
  std::string bytes_;   // the start of a character
  std::string text_;    // whole characters that may be the start of a stop string
  std::optional<std::size_t> stopped_;
};

}  // namespace bantam
