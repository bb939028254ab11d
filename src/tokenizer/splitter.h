// Steps of a pre-tokenizer, as stages that hand pieces of text to one another.
#pragma once

#include <memory>
#include <string_view>

namespace bantam {

// Takes pieces of text, one after the other. A piece is never empty, and its bytes are only sure to
// be there during the call.
class PieceSink {
 public:
  virtual ~PieceSink() = default;
  virtual void piece(std::string_view text) = 0;
};

// One step. Immutable; any thread. open() makes what one call needs: a sink that cuts (or
// rewrites) each piece it is given and hands the parts to `next`, in order, nothing lost unless the
// step's definition says so. Pieces are valid UTF-8. The step and `next` outlive the sink.
class PretokenizerStep {
 public:
  virtual ~PretokenizerStep() = default;
  // `at_start`: the first piece begins the whole text.
  virtual std::unique_ptr<PieceSink> open(PieceSink& next, bool at_start) const = 0;
  // Whether every part is a view into the piece it came from.
  virtual bool keeps_text() const { return true; }
};

}  // namespace bantam
