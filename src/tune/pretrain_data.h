// The texts that a model is pretrained on: several files, each with its share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/batches.h"
#include "data/render.h"
#include "data/rows.h"
#include "data/split.h"
#include "tune/held_out.h"

namespace bantam {

// The usual marks around messages: <|im_start|>ROLE, a line end, what is said, <|im_end|>.
inline constexpr std::string_view kChatMl =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}";

// What a template writes that should be one token each: its texts "<|NAME|>", NAME of letters,
// digits, "_" and "-", each once, in order.
std::vector<std::string> template_marks(std::string_view template_text);

struct PretrainSource {
  std::filesystem::path path;  // any shape of data/rows.h but preferences and likings
  // Of the tokens that are learned from, relative to the others'. All files have one or none has;
  // without, each file is seen as often as the others.
  double share = 0;
};

struct PretrainDataOptions {
  std::vector<PretrainSource> sources;
  // Rows to score the model by. Without such files each source gives the part of its rows that
  // `split` says. What is scored is not learned from: a row that asks what one of those rows asks
  // (row_hash()), in whatever file, is left out and counted.
  std::vector<std::filesystem::path> validation;
  SplitOptions split = {.validation = 0.02};
  std::int64_t validation_rows = 200;  // most to score a file by, evenly from all
  RowOptions rows;
};

struct PretrainSourcePlan {
  std::string name;  // the file's
  RowShape shape = RowShape::kText;
  std::int64_t rows = 0, skipped = 0;  // to learn from; bad ones
  std::int64_t held_out = 0;           // rows kept for scoring, or like one of those
  RenderCounts counts;
  std::int64_t examples = 0, tokens = 0, bytes = 0;
  std::int64_t learned_tokens = 0;  // those that are predicted in the loss
  double share = 0;                 // of all tokens of the run
  double passes = 0;                // over its rows, in the whole run
};

class PretrainData {
 public:
  // Reads all files. kUsage "pretrain_invalid" for no source, a share that is no number above 0,
  // and shares that only some have; "source_unfit" for rows of preferences; kMalformed "data_empty"
  // for a source all of whose rows are held out; those of read_rows().
  static Result<PretrainData> read(const PretrainDataOptions& options);

  // All that is said in the rows that are learned from: views into this object.
  std::vector<std::string_view> texts() const;

  // Rows become examples, once, and the rows go; those to score by go to a renderer of their own,
  // as what counts there are answers, whatever is learned. kMalformed "data_empty" names a source
  // that gives no example. The tokenizer is the renderers'.
  Result<void> render(const RowRenderer& learned, const RowRenderer& scored,
                      const Tokenizer& tokenizer);

  // In order of source.
  const std::vector<Example>& examples() const { return examples_; }
  const std::vector<PretrainSourcePlan>& plans() const { return plans_; }
  // The shares of tokens, as BatchOrder wants them: of examples, relative to the first source's.
  std::vector<ExampleSet> sets() const;
  // Each with its source's share; those of files of their own count alike.
  std::vector<HeldOutText> take_held_out() { return std::move(held_out_); }

 private:
  struct Source {
    std::vector<Row> train;
  };
  struct Scored {
    std::string name;
    std::vector<Row> rows;
    double share = 1;
  };

  PretrainData() = default;
  Result<void> render_source(std::size_t index, const RowRenderer& renderer,
                             const Tokenizer& tokenizer);
  Result<void> render_held_out(const RowRenderer& renderer);

  std::vector<Source> sources_;
  std::vector<Scored> scored_;
  std::vector<PretrainSourcePlan> plans_;
  std::vector<Example> examples_;
  std::vector<HeldOutText> held_out_;
  std::int64_t validation_rows_ = 0;
  bool shares_given_ = false, own_files_ = false;
};

}  // namespace bantam
