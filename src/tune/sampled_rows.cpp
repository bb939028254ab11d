#include "tune/sampled_rows.h"

#include <system_error>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "models/adapter.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMost = std::int64_t{1} << 53;
constexpr std::size_t kMostBytes = std::size_t{1} << 30;

fs::path rows_in(const fs::path& folder) { return folder / "sampled.jsonl"; }
fs::path note_in(const fs::path& folder) { return folder / "sampled.json"; }

std::string hash_of(std::string_view text) {
  Hash64 hash;
  hash.add(text);
  return hash.hex();
}

// Of all that decides what is sampled: asked rows by their place in the file, and the file.
Result<std::string> key_of(const TuneOptions& options, std::span<const Row> rows,
                           const TextModel& model, const EngineOptions& engine) {
  Hash64 hash;
  hash.add(weights_digest(*model.file));
  const MappedFile file = TRY(MappedFile::open(options.data));
  hash.add(file.bytes());
  for (const Row& row : rows) hash.add(std::as_bytes(std::span(&row.line, 1)));
  const RejectionOptions& r = options.rejection;
  const VerifierOptions& v = options.verifier;
  hash.add(fmt::format("{} {} {} {} {} {} {} {} {} {}", r.answers, r.temperature, r.keep, r.pairs,
                       r.seed, static_cast<int>(v.kind), v.command, v.seconds,
                       options.render.label_prompt, kv_type_name(engine.kv_type)));
  return hash.hex();
}

std::string note_of(const SampledRows& sampled) {
  const RejectionCounts& counts = sampled.counts;
  return write_json(JsonObject{{"key", sampled.key},
                               {"content", hash_of(sampled.jsonl)},
                               {"rows", counts.rows},
                               {"answers", counts.answers},
                               {"accepted", counts.accepted},
                               {"solved", counts.solved},
                               {"kept", counts.kept}}) +
         "\n";
}

Result<SampledRows> read_folder(const fs::path& folder) {
  const Json note = TRY(parse_json(TRY(read_file(note_in(folder), 1 << 16))));
  JsonReader reader(note);
  SampledRows found{.jsonl = TRY(read_file(rows_in(folder), kMostBytes)),
                    .key = TRY(reader.required_string("key"))};
  if (TRY(reader.required_string("content")) != hash_of(found.jsonl))
    return fail(ErrorKind::kMalformed, "sampled_other", "the rows are not those of the note");
  found.counts = {.rows = TRY(reader.required_integer("rows", 0, kMost)),
                  .answers = TRY(reader.required_integer("answers", 0, kMost)),
                  .accepted = TRY(reader.required_integer("accepted", 0, kMost)),
                  .kept = TRY(reader.required_integer("kept", 0, kMost)),
                  .solved = TRY(reader.required_integer("solved", 0, kMost))};
  return found;
}

}  // namespace

Result<SampledRows> sampled_rows(const TuneOptions& options, std::span<const Row> rows,
                                 const TextModel& model, const RowRenderer& renderer,
                                 const EngineOptions& engine) {
  SampledRows sampled{.jsonl = {}, .key = TRY(key_of(options, rows, model, engine))};
  if (auto found = read_folder(options.folder); found && found->key == sampled.key)
    return std::move(*found);
  const auto verifier = TRY(make_verifier(options.verifier));
  sampled.jsonl =
      TRY(sample_rows(rows, renderer, options.render.label_prompt, *model.decoder, *model.tokenizer,
                      engine, *verifier, options.rejection, sampled.counts));
  if (sampled.counts.kept == 0)
    return fail(ErrorKind::kMalformed, "data_empty",
                "of {} answers to {} rows {} were accepted, and none is left to learn from",
                sampled.counts.answers, sampled.counts.rows, sampled.counts.accepted);
  return sampled;
}

Result<void> keep_sampled_rows(const fs::path& folder, const SampledRows& sampled) {
  if (const auto found = read_folder(folder); found && found->key == sampled.key) return {};
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return std::unexpected(
        fail(ErrorKind::kCannotCreate, "io", "{}", error.message()).error().in(folder.string()));
  TRY(write_file(rows_in(folder), sampled.jsonl));
  return write_file(note_in(folder), note_of(sampled));
}

}  // namespace bantam
