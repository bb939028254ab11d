// Whether what was trained is what will be served, on a user's own rows.
//
// "Good in the trainer, bad after the export" has few causes: another template, another tokenizer,
// another cut between prompt and answer, weights that a conversion changed. For every row this
// compares, in this order,
//
//   ids           the trainer's ids and what it learns of them, with those that the exported file
//                 gives, opened afresh, by its own vocabulary and template
//   prompt        the ids before the last learned answer, with those that the server makes of the
//                 messages before it
//   logprobs      log p of every id by the trainer's forward pass, with the exported file's
//   served        the same as the server tells them, of the ids and of the token after the prompt
//
// and names the first thing that differs. Ids must be the same; log-probabilities as well, to the
// bit, unless a tolerance says that the exported file is another by intention.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "chat/local_chat.h"
#include "data/render.h"
#include "data/rows.h"
#include "train/learner.h"

namespace bantam {

// What learned. Keeps references.
struct ParityTrainer {
  const Tokenizer& tokenizer;
  const RowRenderer& renderer;
  Learner& learner;
};

// What was written, opened as whoever serves it opens it, with the renderer's date
// (LocalChatOptions::now); and how it answers: itself, or a server that has it.
struct ParityExport {
  LocalChat& file;
  ChatModel& server;
};

struct ParityOptions {
  double tolerance = 0;  // nats that a log-probability may differ by
  std::function<void(std::int64_t done, std::int64_t all)> progress = {};
};

struct ParityDifference {
  std::int64_t line = 0;        // of the row
  std::string_view what;        // "ids", "learned", "prompt", "logprobs", "served", …
  std::int64_t position = 0;    // of the id
  std::string expected, found;  // by the trainer, by the other side
};

struct ParityReport {
  std::int64_t rows = 0;      // that were compared
  std::int64_t left_out = 0;  // that the renderer leaves out, or cuts
  std::int64_t tokens = 0;    // whose log-probabilities were compared
  std::int64_t prompts = 0;   // that the server made as the trainer had them
  // Rows whose template shows a learned answer after another text than it asks for one with (it
  // adds or drops marks of thinking, say): what the server will send was not learned from. No
  // mistake of the export, but worth a look at the template.
  std::int64_t other_prompts = 0;
  std::int64_t different = 0;             // rows with a difference
  std::optional<ParityDifference> first;  // the first of them
  double largest = 0;                     // difference of log-probabilities, in nats
  double mean = 0;                        // of their sizes

  bool same() const { return different == 0; }
  std::string to_text() const;
  JsonObject to_json() const;
};

// `renderer` options of both sides are those of `render`. Errors: those of the parts; a row that
// cannot be rendered by one side only is a difference.
Result<ParityReport> check_parity(std::span<const Row> rows, const ParityTrainer& trainer,
                                  const ParityExport& exported, const RenderOptions& render,
                                  const ParityOptions& options);

// kMalformed "parity_failed" with the first difference, unless there is none.
Result<void> require_parity(const ParityReport& report);

}  // namespace bantam
