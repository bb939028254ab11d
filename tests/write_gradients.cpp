// write_gradients FOLDER: small random models with what the trainer makes of them, for a program
// that computes the same in another way (gradients_test.py).
//
// For each model: NAME.weights.safetensors, NAME.gradients.safetensors (of the mean loss of a few
// examples) and NAME.json: its numbers, the examples, the loss, and the losses of a hundred steps
// of AdamW, or, of the one that begins as pretraining does, of Muon.
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "formats/safetensors.h"
#include "support/random_model.h"
#include "train/initialise.h"
#include "train/learner.h"
#include "train/optimizer.h"
#include "train/trainable.h"

namespace {

using namespace bantam;  // NOLINT: a program of one file
using support::RandomModelSpec;

constexpr int kSteps = 100;
constexpr AdamwOptions kAdamw = {.beta1 = 0.9F, .beta2 = 0.95F, .epsilon = 1e-8F, .decay = 0.1F};
constexpr MuonOptions kMuon = {.momentum_steps = 40, .decay = 0.1F, .others_rate = 0.2F};
constexpr double kAdapterScale = 2;
constexpr float kRate = 2e-3F, kMuonRate = 2e-2F, kClip = 1.0F;
constexpr float kEpsilon = 1e-5F, kRopeBase = 10000;
constexpr ModelShape kPretrained = {.layers = 2,
                                    .width = 64,
                                    .heads = 4,
                                    .kv_heads = 2,
                                    .head_width = 16,
                                    .ffn_width = 96,
                                    .vocab = 96,
                                    .context = 64,
                                    .tied = true,
                                    .rope_base = kRopeBase,
                                    .family = "qwen3",
                                    .name = "pretrained"};

std::vector<std::pair<std::string, RandomModelSpec>> models() {
  const RandomModelSpec llama{.vocab = 96,
                              .width = 64,
                              .layers = 2,
                              .heads = 4,
                              .kv_heads = 2,
                              .ffn_width = 96,
                              .vocabulary = false};
  RandomModelSpec biases = llama, qwen3 = llama;
  biases.tied = biases.biases = true;
  qwen3.architecture = "qwen3";
  qwen3.head_width = 24;
  return {{"llama", llama}, {"biases", biases}, {"qwen3", qwen3}};
}

std::vector<Example> examples() {
  std::vector<Example> all;
  for (const std::size_t length : {17u, 30u, 5u}) {
    Random random(length);
    Example example;
    for (std::size_t i = 0; i < length; ++i) {
      example.ids.push_back(static_cast<std::int32_t>(random.next_below(96)));
      example.weights.push_back(i > 2 ? 1.0F : 0.0F);
    }
    all.push_back(std::move(example));
  }
  return all;
}

double weight_of(const std::vector<Example>& all) {
  double sum = 0;
  for (const Example& example : all)
    for (const float weight : example.weights) sum += static_cast<double>(weight);
  return sum;
}

Json array_of(const auto& values) {
  JsonArray array;
  for (const auto value : values) array.push_back(value);
  return array;
}

Json examples_json(const std::vector<Example>& all) {
  JsonArray array;
  for (const Example& example : all)
    array.push_back(
        JsonObject{{"ids", array_of(example.ids)}, {"weights", array_of(example.weights)}});
  return array;
}

struct Subject {
  std::string name;
  std::shared_ptr<WeightFile> weights;
  JsonObject numbers;
  bool muon = false, dora = false;
};

Subject random_subject(const std::string& name, const RandomModelSpec& spec) {
  return {
      .name = name,
      .weights = support::make_random_model(spec),
      .numbers = {{"architecture", spec.architecture},
                  {"heads", spec.heads},
                  {"kv_heads", spec.kv_heads},
                  {"head_width", spec.head_width > 0 ? spec.head_width : spec.width / spec.heads},
                  {"layers", spec.layers},
                  {"rope_base", spec.rope_base},
                  {"epsilon", spec.norm_epsilon}}};
}

Result<Subject> pretrained_subject(ThreadPool& pool) {
  return Subject{.name = "pretrained",
                 .weights = TRY(initial_weights(kPretrained, {}, pool, {.seed = 3})),
                 .numbers = {{"architecture", kPretrained.family},
                             {"heads", kPretrained.heads},
                             {"kv_heads", kPretrained.kv_heads},
                             {"head_width", kPretrained.head_width},
                             {"layers", kPretrained.layers},
                             {"rope_base", kRopeBase},
                             {"epsilon", kEpsilon}},
                 .muon = true};
}

JsonObject adamw_json(const AdamwOptions& options, float rate) {
  return {{"rate", rate},
          {"beta1", options.beta1},
          {"beta2", options.beta2},
          {"epsilon", options.epsilon},
          {"decay", options.decay}};
}

// An adapter with magnitudes, all of it away from where training begins.
Subject dora_subject() {
  RandomModelSpec spec = models()[1].second;  // with biases
  Subject subject = random_subject("dora", spec);
  subject.numbers["adapter_scale"] = kAdapterScale;
  subject.dora = true;
  return subject;
}

Result<TrainableModel> trainable(const Subject& subject, ThreadPool& pool) {
  if (!subject.dora) return train_tensors(subject.weights, {});
  TrainableModel model = TRY(
      train_adapter(subject.weights, {.rank = 3, .alpha = 3 * kAdapterScale, .magnitude = true}));
  Random random(7);
  for (float& value : model.parameters->values())
    value += static_cast<float>(0.05 * random.next_normal());
  model.parameters->refresh(pool);
  return model;
}

void add_steps(const Subject& subject, JsonObject& document) {
  document["clip"] = kClip;
  document["adamw"] = subject.muon ? adamw_json(kMuon.others, kMuonRate * kMuon.others_rate)
                                   : adamw_json(kAdamw, kRate);
  if (subject.muon)
    document["muon"] = JsonObject{{"rate", kMuonRate},
                                  {"momentum", kMuon.momentum},
                                  {"first_momentum", kMuon.first_momentum},
                                  {"momentum_steps", kMuon.momentum_steps},
                                  {"decay", kMuon.decay}};
}

Result<void> write_model(const std::filesystem::path& folder, const Subject& subject,
                         ThreadPool& pool) {
  const auto path = [&](const char* suffix) { return folder / (subject.name + suffix); };
  const TrainableModel model = TRY(trainable(subject, pool));
  std::vector<NamedTensor> weights(subject.weights->tensors().begin(),
                                   subject.weights->tensors().end());
  for (const Parameter& parameter : model.parameters->all())
    if (subject.dora) weights.push_back({parameter.name, parameter.view()});
  TRY(write_safetensors(path(".weights.safetensors"), weights));
  const KernelTable& kernels = *TRY(choose_kernels(""));
  Learner learner(*model.decoder, *model.parameters, kernels, pool, {.kv_type = DType::kF32});
  const auto optimizer = TRY(subject.muon ? make_muon(*model.parameters, kernels, pool, kMuon)
                                          : make_adamw(*model.parameters, kernels, pool, kAdamw));
  Objective objective;
  const std::vector<Example> all = examples();
  const double weight = weight_of(all);
  std::vector<double> curve;
  for (int step = 1; step <= kSteps; ++step) {
    model.parameters->zero_gradients();
    double loss = 0;
    for (const ExampleLoss& one : TRY(learner.accumulate(all, objective, 1 / weight)))
      loss += one.nll / weight;
    curve.push_back(loss);
    if (step == 1) {
      std::vector<NamedTensor> gradients;
      for (const Parameter& parameter : model.parameters->all())
        gradients.push_back({parameter.name,
                             {DType::kF32, parameter.shape,
                              reinterpret_cast<const std::byte*>(parameter.gradient)}});
      TRY(write_safetensors(path(".gradients.safetensors"), gradients));
    }
    const double norm = model.parameters->gradient_norm(kernels);
    optimizer->step(step, subject.muon ? kMuonRate : kRate,
                    static_cast<float>(std::min(1.0, kClip / norm)));
  }
  JsonObject document = subject.numbers;
  document["examples"] = examples_json(all);
  document["curve"] = array_of(curve);
  add_steps(subject, document);
  return write_file(path(".json"), write_json(document));
}

Result<void> write_all(const std::filesystem::path& folder) {
  ThreadPool pool(1);
  for (const auto& [name, spec] : models())
    TRY(write_model(folder, random_subject(name, spec), pool));
  TRY(write_model(folder, dora_subject(), pool));
  return write_model(folder, TRY(pretrained_subject(pool)), pool);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_gradients FOLDER\n");
    return 64;
  }
  if (const auto written = write_all(argv[1]); !written) {
    std::fprintf(stderr, "%s\n", written.error().to_string().c_str());
    return 73;
  }
  return 0;
}
