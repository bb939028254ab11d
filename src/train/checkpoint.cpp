#include "train/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/hash.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace bantam {
namespace {

constexpr std::string_view kVersion = "bantam checkpoint 1";
constexpr std::int64_t kMost = std::int64_t{1} << 62;

std::string state_text(const RunState& state) {
  std::string seconds, score;
  append_json_double(seconds, state.seconds);
  append_json_double(score, state.best_score);
  return fmt::format(
      R"({{"step":{},"tokens":{},"seconds":{},"best_step":{},"best_score":{},"since_best":{}}})",
      state.step, state.tokens, seconds, state.best_step, score, state.since_best);
}

Result<RunState> parse_state(std::string_view text) {
  constexpr double kHuge = std::numeric_limits<double>::max();
  const Json json = TRY(parse_json(text));
  JsonReader reader(json);
  return RunState{.step = TRY(reader.required_integer("step", 0, kMost)),
                  .tokens = TRY(reader.required_integer("tokens", 0, kMost)),
                  .seconds = TRY(reader.required_number("seconds", 0, kHuge)),
                  .best_step = TRY(reader.required_integer("best_step", 0, kMost)),
                  .best_score = TRY(reader.required_number("best_score", -kHuge, kHuge)),
                  .since_best = TRY(reader.required_integer("since_best", 0, kMost))};
}

// Of the state and the parts, in order: tells a damaged file.
std::string content_digest(std::string_view state, std::span<const CheckpointPart> parts,
                           std::span<const std::span<const std::byte>> bytes) {
  Hash64 hash;
  hash.add(state);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    hash.add(parts[i].name);
    hash.add(bytes[i]);
  }
  return hash.hex();
}

template <typename... Args>
std::unexpected<Error> invalid(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorKind::kMalformed, "checkpoint_invalid", format, std::forward<Args>(args)...);
}

Result<RunState> load(const std::filesystem::path& path, std::string_view run_digest,
                      std::span<const CheckpointPart> parts) {
  const auto file = TRY(read_safetensors(path));
  if (const std::string version = TRY(file->metadata.string("format")); version != kVersion)
    return invalid("expected the format {}, found {}", quoted(kVersion), quoted(version));
  if (const std::string digest = TRY(file->metadata.string("run")); digest != run_digest)
    return fail(ErrorKind::kConfiguration, "checkpoint_other_run",
                "the folder holds another run: its digest is {}, and that of this model, data and "
                "options {}",
                quoted(digest), quoted(run_digest));
  std::vector<std::span<const std::byte>> bytes;
  for (const CheckpointPart& part : parts) {
    const TensorView* view = file->find(part.name);
    if (view == nullptr) return invalid("it lacks {}", quoted(part.name));
    if (view->bytes() != part.bytes.size())
      return invalid("{} has {} bytes, expected {}", quoted(part.name), view->bytes(),
                     part.bytes.size());
    bytes.emplace_back(view->data, part.bytes.size());
  }
  if (file->tensors().size() != parts.size())
    return invalid("expected {} parts, found {}", parts.size(), file->tensors().size());
  const std::string state = TRY(file->metadata.string("state"));
  if (TRY(file->metadata.string("content")) != content_digest(state, parts, bytes))
    return invalid("its content is not what was written");
  const auto parsed = parse_state(state);
  if (!parsed) return invalid("its state: {}", parsed.error().to_string());
  for (std::size_t i = 0; i < parts.size(); ++i)
    std::ranges::copy(bytes[i], parts[i].bytes.begin());
  return *parsed;
}

}  // namespace

std::vector<CheckpointPart> checkpoint_parts(Parameters& parameters, Optimizer& optimizer) {
  std::vector<CheckpointPart> parts = {{"parameters", std::as_writable_bytes(parameters.values())}};
  for (const Optimizer::State& state : optimizer.state())
    parts.push_back({std::string(state.name), state.bytes});
  return parts;
}

Result<void> save_checkpoint(const std::filesystem::path& path, const RunState& state,
                             std::string_view run_digest, std::span<const CheckpointPart> parts) {
  CHECK(std::isfinite(state.best_score) && std::isfinite(state.seconds));
  std::vector<NamedTensor> tensors;
  std::vector<std::span<const std::byte>> bytes;
  for (const CheckpointPart& part : parts) {
    tensors.push_back(
        {part.name, TensorView{DType::kU8, Shape{static_cast<std::int64_t>(part.bytes.size())},
                               part.bytes.data()}});
    bytes.emplace_back(part.bytes);
  }
  const std::string text = state_text(state);
  return write_safetensors(path, tensors,
                           {{"format", std::string(kVersion)},
                            {"run", std::string(run_digest)},
                            {"state", text},
                            {"content", content_digest(text, parts, bytes)}});
}

Result<RunState> load_checkpoint(const std::filesystem::path& path, std::string_view run_digest,
                                 std::span<const CheckpointPart> parts) {
  auto state = load(path, run_digest, parts);
  if (state) return state;
  Error error = std::move(state).error();
  if (error.where.empty()) error.where = path.string();
  if (error.kind == ErrorKind::kMalformed) error.code = "checkpoint_invalid";
  if (error.kind == ErrorKind::kMalformed || error.kind == ErrorKind::kConfiguration)
    return std::unexpected(std::move(error).with_hint("remove it to begin anew"));
  return std::unexpected(std::move(error));
}

}  // namespace bantam
