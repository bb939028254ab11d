// Gradients of whole models against central differences of the double-precision reference, and the
// laws: what they do not depend on, and whose loss it is.
#include "train/learner.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/random.h"
#include "codec/codec.h"
#include "runtime/scorer.h"
#include "support/random_model.h"
#include "support/reference_model.h"
#include "train/optimizer.h"
#include "train/trainable.h"

namespace bantam {
namespace {

using support::RandomModelSpec;

std::vector<std::int32_t> random_ids(std::int64_t count, std::int64_t vocab, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<std::int32_t>(random.next_below(static_cast<std::uint64_t>(vocab))));
  return ids;
}

// Some rows count one, some a half, some nothing.
std::vector<Example> examples_of(std::int64_t vocab, std::span<const std::int64_t> lengths) {
  std::vector<Example> examples;
  for (const std::int64_t length : lengths) {
    Example example{.ids = random_ids(length, vocab, 50 + static_cast<std::uint64_t>(length))};
    for (std::int64_t i = 0; i < length; ++i)
      example.weights.push_back(i % 5 == 3 ? 0.0F : i % 3 == 1 ? 0.5F : 1.0F);
    example.weights[0] = 0;
    examples.push_back(std::move(example));
  }
  return examples;
}
constexpr std::int64_t kLengths[] = {9, 2, 21};

double reference_loss(const WeightFile& file, std::span<const Example> examples, double scale) {
  const support::ReferenceModel model(file);
  double loss = 0;
  for (const Example& example : examples) {
    const auto logits = model.logits(example.ids);
    for (std::size_t i = 1; i < example.ids.size(); ++i)
      loss -= scale * static_cast<double>(example.weights[i]) *
              support::log_probability(logits[i - 1], example.ids[i]);
  }
  return loss;
}

struct RunOptions {
  std::string_view isa = {};
  std::size_t threads = 1;
  LearnerOptions learner = {.kv_type = DType::kF32};
};

std::vector<ExampleLoss> learn(const TrainableModel& model, std::span<const Example> examples,
                               const RunOptions& options, double scale = 1) {
  ThreadPool pool(options.threads);
  Learner learner(*model.decoder, *model.parameters, *choose_kernels(options.isa).value(), pool,
                  options.learner);
  Objective objective;
  model.parameters->zero_gradients();
  auto losses = learner.accumulate(examples, objective, scale);
  CHECK(losses.has_value(), "{}", losses.error().to_string());
  return *losses;
}

TrainableModel whole(const std::shared_ptr<WeightFile>& file) {
  auto model = train_tensors(file, {});
  CHECK(model.has_value(), "{}", model.error().to_string());
  return std::move(*model);
}

struct NamedShape {
  const char* name;
  RandomModelSpec spec;
};
std::vector<NamedShape> shapes() {
  const RandomModelSpec small{.vocab = 40,
                              .width = 24,
                              .layers = 2,
                              .heads = 3,
                              .kv_heads = 1,
                              .ffn_width = 28,
                              .vocabulary = false};
  RandomModelSpec tied = small, window = small, experts = small, qwen3 = small, divisors = small;
  tied.tied = tied.biases = true;
  window.window = 4;
  experts.experts = 4;
  qwen3.architecture = "qwen3";
  qwen3.kv_heads = 3, qwen3.head_width = 12;
  divisors.rope_divisors = true, divisors.rope_width = 4;
  return {{"plain", small},     {"tied, biases", tied}, {"window", window},
          {"experts", experts}, {"qwen3", qwen3},       {"divisors, part of a head", divisors}};
}

// (loss(w + h) - loss(w - h)) / 2h for one weight of the file.
double difference(const WeightFile& file, const TensorView& view, std::int64_t at,
                  std::span<const Example> examples, double scale) {
  auto* const value = const_cast<float*>(reinterpret_cast<const float*>(view.data)) + at;
  const float middle = *value, above = middle + 0x1p-10F, below = middle - 0x1p-10F;
  *value = above;
  const double high = reference_loss(file, examples, scale);
  *value = below;
  const double low = reference_loss(file, examples, scale);
  *value = middle;
  return (high - low) / (static_cast<double>(above) - static_cast<double>(below));
}

TEST(Learner, GradientsAreThoseOfTheReference) {
  for (const NamedShape& shape : shapes()) {
    const auto file = support::make_random_model(shape.spec);
    const TrainableModel model = whole(file);
    const std::vector<Example> examples = examples_of(shape.spec.vocab, kLengths);
    const std::vector<ExampleLoss> losses = learn(model, examples, {}, 0.25);
    double loss = 0;
    for (const ExampleLoss& one : losses) loss += one.loss;
    EXPECT_NEAR(loss, reference_loss(*file, examples, 1), 2e-5 * loss) << shape.name;

    Random random(3);
    for (const Parameter& parameter : model.parameters->all()) {
      double size = 0;
      for (const float g : parameter.gradients())
        size = std::max(size, std::abs(static_cast<double>(g)));
      EXPECT_GT(size, 0) << shape.name << ": nothing reached " << parameter.name;
      for (int i = 0; i < 3; ++i) {
        const auto at = static_cast<std::int64_t>(
            random.next_below(static_cast<std::uint64_t>(parameter.size())));
        const double want = difference(*file, *file->find(parameter.name), at, examples, 0.25);
        EXPECT_NEAR(static_cast<double>(parameter.gradient[at]), want, 2e-4 * size + 1e-6)
            << shape.name << ": " << parameter.name << ", element " << at;
      }
    }
  }
}

std::vector<float> gradients(const TrainableModel& model) {
  const std::span<float> all = model.parameters->gradients();
  return {all.begin(), all.end()};
}

void expect_same_bits(std::span<const float> got, std::span<const float> want,
                      const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
        << what << ": element " << i << " is " << got[i] << ", not " << want[i];
}

TEST(Learner, GradientsDependOnNeitherThreadsNorIsaNorCutsNorWhatIsForgotten) {
  for (const NamedShape& shape : shapes()) {
    const TrainableModel model = whole(support::make_random_model(shape.spec));
    const std::vector<Example> examples = examples_of(shape.spec.vocab, kLengths);
    const std::vector<ExampleLoss> losses = learn(model, examples, {});
    const std::vector<float> want = gradients(model);
    const auto expect_alike = [&](const RunOptions& options, const std::string& what) {
      const std::vector<ExampleLoss> again = learn(model, examples, options);
      for (std::size_t e = 0; e < losses.size(); ++e)
        EXPECT_EQ(again[e].loss, losses[e].loss) << shape.name << ", " << what;
      expect_same_bits(gradients(model), want, fmt::format("{}, {}", shape.name, what));
    };
    expect_alike({.threads = 2}, "two threads");
    expect_alike({.isa = "scalar"}, "scalar kernels");
    for (const std::int64_t layers : {1, 2})
      expect_alike({.learner = {.kv_type = DType::kF32, .forgotten_layers = layers}},
                   fmt::format("{} layers forgotten", layers));
    expect_alike({.learner = {.kv_type = DType::kF32, .micro_tokens = 1}}, "cut at every example");
  }
}

// A base of packed rows and an adapter whose B is not zero.
TrainableModel adapted(const std::shared_ptr<WeightFile>& file) {
  auto model = train_adapter(file, {.rank = 4, .alpha = 2, .seed = 9});
  CHECK(model.has_value(), "{}", model.error().to_string());
  Random random(4);
  for (const Parameter& parameter : model->parameters->all())
    if (parameter.name.ends_with("lora_b"))
      for (float& value : parameter.values())
        value = static_cast<float>(0.05 * random.next_normal());
  return std::move(*model);
}

RandomModelSpec packed_spec(DType type) {
  return {.vocab = 300,
          .width = 256,
          .layers = 2,
          .heads = 4,
          .kv_heads = 2,
          .ffn_width = 256,
          .dtype = type};
}

TEST(Learner, LossesAreTheScorersToTheBit) {
  for (const DType type : {DType::kF16, DType::kQ8_0, DType::kQ4_K, DType::kQ2_K}) {
    const TrainableModel model = adapted(support::make_random_model(packed_spec(type)));
    const std::int64_t lengths[] = {40, 3, 70};
    std::vector<Example> examples = examples_of(300, lengths);
    for (Example& example : examples)
      std::fill(example.weights.begin() + 1, example.weights.end(), 1.0F);
    const std::vector<ExampleLoss> losses =
        learn(model, examples, {.threads = 2, .learner = {.forgotten_layers = 1}}, 0.125);
    const auto engine = Engine::create(model.decoder, {.threads = 1});
    ASSERT_TRUE(engine.has_value());
    for (std::size_t e = 0; e < examples.size(); ++e) {
      const auto scores = score_tokens(**engine, examples[e].ids, {}, [](auto, auto) {});
      ASSERT_TRUE(scores.has_value());
      double nll = 0;
      for (const double logprob : *scores) nll -= logprob;
      EXPECT_EQ(losses[e].nll, nll) << dtype_info(type).name << ", example " << e;
      EXPECT_EQ(losses[e].weight, static_cast<double>(scores->size()));
    }
  }
}

// What the model reads of its parameters, as a file of its own.
std::shared_ptr<WeightFile> stored(const TrainableModel& model) {
  auto file = std::make_shared<WeightFile>();
  file->metadata = model.file->metadata;
  for (const NamedTensor& tensor : model.file->tensors()) {
    std::byte* const bytes = file->own_buffer(tensor.view.bytes());
    std::memcpy(bytes, tensor.view.data, tensor.view.bytes());
    file->add_tensor(tensor.name, {tensor.view.dtype, tensor.view.shape, bytes});
  }
  return file;
}

TEST(Learner, WithImagesTheLossIsThatOfTheStoredModel) {
  const std::shared_ptr<WeightFile> base = support::make_random_model(packed_spec(DType::kF32));
  for (const DType type : {DType::kF16, DType::kQ8_0}) {
    const std::string name(dtype_info(type).name);
    const TrainableModel model = train_tensors(base, {}, type).value();
    const std::vector<Example> examples = examples_of(300, kLengths);
    const auto image_of = [&](std::string_view tensor) { return *model.file->find(tensor); };
    EXPECT_EQ(image_of("token_embd.weight").dtype, type);
    EXPECT_EQ(image_of("output_norm.weight").dtype, DType::kF32);

    const RunOptions served{.learner = {}};
    learn(model, examples, served);
    for (float& value : model.parameters->values()) value *= 1.25F;
    const std::vector<ExampleLoss> losses = learn(model, examples, served);
    const std::vector<float> want = gradients(model);
    const TrainableModel apart = whole(stored(model));  // of the image, decoded
    const auto engine = Engine::create(load_decoder(stored(model)).value(), {.threads = 1});
    for (std::size_t e = 0; e < examples.size(); ++e) {
      const auto scores = score_tokens(**engine, examples[e].ids, {}, [](auto, auto) {});
      double nll = 0;
      for (std::size_t i = 0; i < scores->size(); ++i)
        nll -= static_cast<double>(examples[e].weights[i + 1]) * (*scores)[i];
      EXPECT_EQ(losses[e].nll, nll) << name << ", example " << e;
    }

    // The gradient is that of the same numbers, but for activations that are rounded to bytes.
    learn(apart, examples, served);
    const std::vector<float> floats = gradients(apart);
    double error = 0, size = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      const auto g = static_cast<double>(floats[i]);
      error += (static_cast<double>(want[i]) - g) * (static_cast<double>(want[i]) - g);
      size += g * g;
    }
    EXPECT_LT(std::sqrt(error / size), 0.05) << name;
    EXPECT_EQ(error > 0, type == DType::kQ8_0) << name;

    learn(model, examples, {.isa = "scalar", .learner = {}});
    expect_same_bits(gradients(model), want, name + ", scalar kernels");
    learn(model, examples, {.threads = 2, .learner = {.micro_tokens = 1, .forgotten_layers = 1}});
    expect_same_bits(gradients(model), want, name + ", cut at every example");
  }
}

// The weight that base and adapter make together, as floats.
std::shared_ptr<WeightFile> merged(const WeightFile& base, const TrainableModel& model,
                                   double scale) {
  auto file = std::make_shared<WeightFile>();
  file->metadata = base.metadata;
  for (const NamedTensor& tensor : base.tensors()) {
    const Parameter* a = model.parameters->find(tensor.name + ".lora_a");
    const Parameter* b = model.parameters->find(tensor.name + ".lora_b");
    const auto values = static_cast<std::size_t>(tensor.view.shape.elements());
    auto* out = reinterpret_cast<float*>(file->own_buffer(values * sizeof(float)));
    const std::int64_t rows = tensor.view.shape.rows(), width = tensor.view.shape.last();
    for (std::int64_t n = 0; n < rows; ++n) {
      const std::span<float> row(out + n * width, static_cast<std::size_t>(width));
      find_codec(tensor.view.dtype)->decode(tensor.view.row(n), row);
      for (std::int64_t k = 0; a != nullptr && k < width; ++k) {
        double sum = 0;
        for (std::int64_t r = 0; r < a->shape[0]; ++r)
          sum += static_cast<double>(b->value[n * a->shape[0] + r]) *
                 static_cast<double>(a->value[r * width + k]);
        row[static_cast<std::size_t>(k)] += static_cast<float>(scale * sum);
      }
    }
    file->add_tensor(tensor.name,
                     {DType::kF32, tensor.view.shape, reinterpret_cast<const std::byte*>(out)});
  }
  return file;
}

// dB = s dW Aᵀ and dA = s Bᵀ dW, where dW is that of the merged weight.
TEST(Learner, AnAdaptersGradientFollowsFromThatOfTheMergedWeight) {
  const auto base = support::make_random_model(packed_spec(DType::kQ4_K));
  const TrainableModel model = adapted(base);
  const std::vector<Example> examples = examples_of(300, kLengths);
  learn(model, examples, {.learner = {.kv_type = DType::kF32, .mode = MatmulMode::kFloats}});
  const double scale = 0.5;  // alpha 2, rank 4
  const TrainableModel full = whole(merged(*base, model, scale));
  learn(full, examples, {});
  for (const Parameter& dw : full.parameters->all()) {
    const Parameter* a = model.parameters->find(dw.name + ".lora_a");
    const Parameter* b = model.parameters->find(dw.name + ".lora_b");
    if (a == nullptr) continue;
    const std::int64_t rank = a->shape[0], inputs = a->shape[1], outputs = b->shape[0];
    std::vector<double> da(static_cast<std::size_t>(rank * inputs)),
        db(static_cast<std::size_t>(outputs * rank));
    for (std::int64_t n = 0; n < outputs; ++n)
      for (std::int64_t r = 0; r < rank; ++r)
        for (std::int64_t k = 0; k < inputs; ++k) {
          const double d = scale * static_cast<double>(dw.gradient[n * inputs + k]);
          da[static_cast<std::size_t>(r * inputs + k)] +=
              d * static_cast<double>(b->value[n * rank + r]);
          db[static_cast<std::size_t>(n * rank + r)] +=
              d * static_cast<double>(a->value[r * inputs + k]);
        }
    const auto compare = [&](const Parameter& parameter, std::span<const double> want) {
      double size = 0;
      for (const double d : want) size = std::max(size, std::abs(d));
      EXPECT_GT(size, 0) << parameter.name;
      for (std::size_t i = 0; i < want.size(); ++i)
        ASSERT_NEAR(static_cast<double>(parameter.gradients()[i]), want[i], 1e-4 * size)
            << parameter.name << ", element " << i;
    };
    compare(*a, da);
    compare(*b, db);
  }
}

TEST(Learner, ABaseIsNeverWrittenTo) {
  const auto base = support::make_random_model(packed_spec(DType::kQ8_0));
  std::vector<std::vector<std::byte>> before;
  for (const NamedTensor& tensor : base->tensors())
    before.emplace_back(tensor.view.data, tensor.view.data + tensor.view.bytes());
  const TrainableModel model = adapted(base);
  learn(model, examples_of(300, kLengths), {});
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_EQ(0, std::memcmp(before[i].data(), base->tensors()[i].view.data, before[i].size()));
}

// Twenty steps on the same few examples, full or with an adapter.
std::vector<double> train(const TrainableModel& model, std::size_t threads, float rate) {
  ThreadPool pool(threads);
  const KernelTable& kernels = *choose_kernels("").value();
  Learner learner(*model.decoder, *model.parameters, kernels, pool, {});
  const auto optimizer = make_adamw(*model.parameters, kernels, pool, {}).value();
  Objective objective;
  const std::vector<Example> examples = examples_of(40, kLengths);
  std::vector<double> curve;
  for (std::int64_t step = 1; step <= 20; ++step) {
    model.parameters->zero_gradients();
    const auto losses = learner.accumulate(examples, objective, 1.0 / 24);
    CHECK(losses.has_value());
    curve.push_back(0);
    for (const ExampleLoss& loss : *losses) curve.back() += loss.nll / 24;
    const double norm = model.parameters->gradient_norm(kernels);
    optimizer->step(step, rate, static_cast<float>(1 / std::max(1.0, norm)));
  }
  return curve;
}

TEST(Learner, LearnsByHeartTheSameWayWithAnyNumberOfThreads) {
  const auto file = support::make_random_model(shapes()[0].spec);
  for (const bool full : {true, false}) {
    const auto make = [&] {
      return full ? whole(file) : std::move(*train_adapter(file, {.rank = 8}));
    };
    const TrainableModel one = make(), two = make();
    const std::vector<double> curve = train(one, 1, full ? 0.01F : 0.05F);
    EXPECT_LT(curve.back(), 0.5 * curve.front()) << (full ? "full" : "adapter");
    EXPECT_EQ(train(two, 2, full ? 0.01F : 0.05F), curve);
    expect_same_bits(two.parameters->values(), one.parameters->values(), "weights");
  }
}

TEST(Learner, BadExamplesAreNamed) {
  const TrainableModel model = whole(support::make_random_model(shapes()[0].spec));
  ThreadPool pool(1);
  Learner learner(*model.decoder, *model.parameters, *choose_kernels("").value(), pool, {});
  Objective objective;
  const Example good{.ids = {1, 2}, .weights = {0, 1}, .source = 7};
  const auto error_of = [&](const Example& bad) {
    const Example both[] = {good, bad};
    const auto losses = learner.accumulate(both, objective, 1);
    return losses ? std::string() : losses.error().to_string();
  };
  EXPECT_EQ(error_of(good), "");
  const std::vector<float> before = gradients(model);
  EXPECT_NE(error_of({.ids = {1, 40}, .weights = {0, 1}, .source = 8}).find("example 1 (row 8)"),
            std::string::npos);
  EXPECT_NE(error_of({.ids = {1, -1}, .weights = {0, 1}}).find("id -1"), std::string::npos);
  EXPECT_NE(error_of({.ids = {1}, .weights = {0}}).find("at least two"), std::string::npos);
  EXPECT_NE(
      error_of({.ids = std::vector<std::int32_t>(257, 1), .weights = std::vector<float>(257, 1.0F)})
          .find("context holds 256"),
      std::string::npos);
  EXPECT_EQ(gradients(model), before);
  *model.parameters->find("output_norm.weight")->value = std::nanf("");
  EXPECT_NE(error_of(good).find("overflowed"), std::string::npos);
}

}  // namespace
}  // namespace bantam
