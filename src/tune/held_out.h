// How well a model predicts texts that it has not learned from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "data/example.h"
#include "tokenizer/tokenizer.h"
#include "train/learner.h"

namespace bantam {

struct HeldOutText {
  std::string name;
  double share = 1;  // in the mean over the texts
  std::vector<Example> examples;
};

struct HeldOutScore {
  std::string name;
  double nats = 0;  // mean of -log p over the tokens that are learned
  // The same by the bytes that those tokens stand for, in bits: what can be compared between
  // tokenizers. Control tokens cost bits and stand for no bytes.
  double bits_per_byte = 0;
};

// One thread: the learner's.
class HeldOut {
 public:
  // Texts without learned tokens are left out.
  HeldOut(std::vector<HeldOutText> texts, const Tokenizer& tokenizer);

  bool empty() const { return texts_.empty(); }
  std::int64_t tokens() const;   // that a score is made of
  std::int64_t longest() const;  // tokens of an example
  // Minus the mean of the texts' nats, each by its share: larger is better. Not empty().
  Result<double> score(Learner& learner);
  // Of the last score(); none before it. With several texts the last one is their mean, "all".
  std::span<const HeldOutScore> scores() const { return scores_; }

 private:
  struct Text {
    HeldOutText text;
    double weight = 0;  // Σ of the weights of its tokens
    double bytes = 0;   // weighted likewise
  };

  std::vector<Text> texts_;
  std::vector<HeldOutScore> scores_;
};

// {"texts":[{"name":…,"nats":…,"bits_per_byte":…},…]}: for logs and documents.
JsonObject scores_json(std::span<const HeldOutScore> scores);

}  // namespace bantam
