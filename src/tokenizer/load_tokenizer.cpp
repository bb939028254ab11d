// load_tokenizer(): which files a path means, and their bytes as raw metadata.
#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/file.h"
#include "formats/weight_file.h"
#include "tokenizer/import.h"
#include "tokenizer/tokenizer.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = 64u << 20;

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

Result<void> add_file(Metadata& metadata, std::string_view key, const fs::path& path) {
  std::string text = TRY(read_file(path, kMaxFileBytes));
  metadata.set_string(key, std::move(text));
  return {};
}

// Names of the files of one tokenizer, the main one first, with the key of each.
struct FileSet {
  std::vector<std::pair<std::string_view, std::string_view>> files;
};

const std::vector<FileSet>& known_sets() {
  static const std::vector<FileSet> kSets = {
      {{{"tokenizer.json", raw_key::kTokenizerJson}}},
      {{{"tokenizer.model", raw_key::kTokenizerModel}}},
      {{{"vocab.json", raw_key::kVocabJson}, {"merges.txt", raw_key::kMergesTxt}}},
      {{{"encoder.json", raw_key::kVocabJson}, {"vocab.bpe", raw_key::kMergesTxt}}},
      {{{"vocab.txt", raw_key::kVocabTxt}}},
      {{{"tokenizer.bin", raw_key::kTokenizerBin}}}};
  return kSets;
}

constexpr std::pair<std::string_view, std::string_view> kCompanions[] = {
    {"tokenizer_config.json", raw_key::kTokenizerConfig},
    {"added_tokens.json", raw_key::kAddedTokens},
    {"special_tokens_map.json", raw_key::kSpecialTokensMap}};

Result<void> add_set(Metadata& metadata, const FileSet& set, const fs::path& folder) {
  for (const auto& [name, key] : set.files) TRY(add_file(metadata, key, folder / name));
  for (const auto& [name, key] : kCompanions)
    if (is_file(folder / name)) TRY(add_file(metadata, key, folder / name));
  return {};
}

Result<Metadata> read_gguf(const fs::path& path) {
  const std::shared_ptr<WeightFile> file = TRY(open_weights(path));
  return std::move(file->metadata);
}

Result<Metadata> read_folder(const fs::path& folder) {
  for (const FileSet& set : known_sets()) {
    const bool all = std::ranges::all_of(
        set.files, [&](const auto& file) { return is_file(folder / file.first); });
    if (!all) continue;
    Metadata metadata;
    TRY(add_set(metadata, set, folder));
    return metadata;
  }
  // No usual name: then the only file of a kind that says what it is.
  std::vector<fs::path> candidates;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string extension = entry->path().extension().string();
    if (extension == ".tiktoken" || extension == ".gguf") candidates.push_back(entry->path());
  }
  if (error) return fail(ErrorKind::kIo, "cannot_read", "{}: {}", folder.string(), error.message());
  if (candidates.size() != 1)
    return fail(ErrorKind::kNotFound, "no_tokenizer",
                "{}: no tokenizer.json, tokenizer.model, vocab.json with merges.txt, vocab.txt, "
                "tokenizer.bin, and {} *.tiktoken and *.gguf files",
                folder.string(), candidates.size());
  if (candidates.front().extension() == ".gguf") return read_gguf(candidates.front());
  Metadata metadata;
  TRY(add_set(metadata, FileSet{}, folder));
  TRY(add_file(metadata, raw_key::kTokenizerModel, candidates.front()));
  return metadata;
}

Result<Metadata> read_single(const fs::path& path) {
  const std::string name = path.filename().string();
  const fs::path folder = path.parent_path();
  for (const FileSet& set : known_sets()) {
    if (std::ranges::none_of(set.files, [&](const auto& file) { return file.first == name; }))
      continue;
    Metadata metadata;
    TRY(add_set(metadata, set, folder));
    return metadata;
  }
  const std::string text = TRY(read_file(path, kMaxFileBytes));
  const std::size_t content = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  Metadata metadata;
  if (content < text.size() && text[content] == '{') {
    metadata.set_string(raw_key::kTokenizerJson, text);
  } else if (name.ends_with(".txt")) {
    metadata.set_string(raw_key::kVocabTxt, text);
  } else if (name.ends_with(".bin")) {
    metadata.set_string(raw_key::kTokenizerBin, text);
  } else {
    metadata.set_string(raw_key::kTokenizerModel, text);
    if (name.ends_with(".tiktoken")) TRY(add_set(metadata, FileSet{}, folder));
  }
  return metadata;
}

Result<Metadata> read_any(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return read_folder(path);
  const MappedFile map = TRY(MappedFile::open(path));
  const std::span<const std::byte> bytes = map.bytes();
  const std::string_view magic(reinterpret_cast<const char*>(bytes.data()),
                               std::min<std::size_t>(4, bytes.size()));
  return magic == "GGUF" ? read_gguf(path) : read_single(path);
}

}  // namespace

Result<Metadata> load_tokenizer_metadata(const std::filesystem::path& path) {
  const auto load = [&]() -> Result<Metadata> {
    Metadata metadata = TRY(read_any(path));
    TRY(canonicalize_tokenizer(metadata));
    return metadata;
  };
  Result<Metadata> metadata = load();
  if (!metadata) return std::unexpected(std::move(metadata).error().in(path.string()));
  return metadata;
}

Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const std::filesystem::path& path) {
  const Metadata metadata = TRY(load_tokenizer_metadata(path));
  auto tokenizer = make_tokenizer(metadata);
  if (!tokenizer) return std::unexpected(std::move(tokenizer).error().in(path.string()));
  return tokenizer;
}

}  // namespace bantam
