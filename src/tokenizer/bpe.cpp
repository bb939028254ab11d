// Byte-level BPE ("gpt2"): the tokenizer of GPT-2, Llama 3, Qwen, Mistral NeMo and most others; and
// BPE on characters, where tokenizer.json has no ByteLevel step.
#include <array>
#include <cstring>

#include "base/json.h"
#include "base/unicode.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/families.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/pretokenizer_names.h"

namespace bantam {
namespace {

// How a model is set up, apart from its vocabulary.
struct BpeSettings {
  Pretokenizer pretokenizer;
  bool ignore_merges = false;  // a word that is a token is that token
  std::string name;            // of the pre-tokenizer
};

class Bpe final : public VocabTokenizer {
 public:
  Bpe(Vocab vocab, MergeTable merges, BpeSettings settings, std::optional<Normalizer> normalizer,
      std::string description)
      : VocabTokenizer(std::move(vocab), std::move(normalizer), std::move(description)),
        merges_(std::move(merges)),
        settings_(std::move(settings)) {
    index_bytes();
  }

  bool drops_leading_space() const override { return false; }

 private:
  class Words;

  void encode_text(std::string_view text, bool at_start, std::vector<TokenId>& ids) const override;
  std::string normal_bytes(TokenId id) const override;

  void index_bytes();
  // The tokens of the bytes or characters of `word`.
  void append_symbols(std::string_view word, std::vector<TokenId>& symbols) const;
  void append_unknown(std::vector<TokenId>& symbols) const;
  std::optional<TokenId> whole_word(std::string_view word, std::string& spelling) const;

  MergeTable merges_;
  BpeSettings settings_;
  // The token of each byte, -1 where the vocabulary has none.
  std::array<TokenId, 256> bytes_{};
  // The tokens that stand for a byte without one.
  std::vector<TokenId> unknown_;
};

void Bpe::index_bytes() {
  // A user-defined token may be spelled like a byte and yet stand for the character.
  const auto normal = [&](std::string_view spelling) -> TokenId {
    const std::optional<TokenId> id = vocab().find(spelling);
    const bool ours =
        id && (vocab().type(*id) == TokenType::kNormal || vocab().type(*id) == TokenType::kUnused);
    return ours ? *id : -1;
  };
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const char raw = static_cast<char>(byte);
    std::string spelling;
    append_spelling(spelling, std::string_view(&raw, 1));
    bytes_[byte] = settings_.pretokenizer.byte_level()
                       ? normal(spelling)
                       : vocab().byte_token(static_cast<std::uint8_t>(byte)).value_or(-1);
  }
  if (specials().unknown) {
    unknown_ = {*specials().unknown};
  } else if (settings_.pretokenizer.byte_level()) {
    for (const std::size_t byte : {0xEFu, 0xBFu, 0xBDu})  // U+FFFD
      if (bytes_[byte] >= 0) unknown_.push_back(bytes_[byte]);
    if (unknown_.size() != 3) unknown_.clear();
  }
}

void Bpe::append_unknown(std::vector<TokenId>& symbols) const {
  symbols.insert(symbols.end(), unknown_.begin(), unknown_.end());
}

void Bpe::append_symbols(std::string_view word, std::vector<TokenId>& symbols) const {
  if (settings_.pretokenizer.byte_level()) {
    for (const char c : word) {
      const TokenId id = bytes_[static_cast<unsigned char>(c)];
      if (id >= 0)
        symbols.push_back(id);
      else
        append_unknown(symbols);
    }
    return;
  }
  while (!word.empty()) {
    const std::size_t size = decode_utf8(word).bytes;
    const std::string_view character = word.substr(0, size);
    word.remove_prefix(size);
    if (const std::optional<TokenId> id = vocab().find(character)) {
      symbols.push_back(*id);
      continue;
    }
    for (const char c : character) {
      const TokenId id = bytes_[static_cast<unsigned char>(c)];
      if (id >= 0) symbols.push_back(id);
      if (id < 0) {
        append_unknown(symbols);
        break;
      }
    }
  }
}

std::optional<TokenId> Bpe::whole_word(std::string_view word, std::string& spelling) const {
  if (!settings_.pretokenizer.byte_level()) return vocab().find(word);
  spelling.clear();
  append_spelling(spelling, word);
  return vocab().find(spelling);
}

// Encodes words as they come. Words that came before in the same text are copied from the ids
// they gave then: most words of a long text are repeats.
class Bpe::Words final : public PieceSink {
 public:
  Words(const Bpe& bpe, std::string_view text, std::vector<TokenId>& ids)
      : bpe_(bpe), text_(text), ids_(ids) {
    if (text.size() >= kCacheFrom && text.size() < kEmpty &&
        bpe.settings_.pretokenizer.keeps_text())
      seen_.resize(kSlots);
  }

  void piece(std::string_view word) override {
    if (!bpe_.settings_.pretokenizer.spells_bytes()) return encode(word);
    const std::optional<std::string> bytes = spelled_bytes(word);
    CHECK(bytes.has_value(), "a spelling has a character outside of the byte alphabet");
    encode(*bytes);
  }

 private:
  static constexpr std::size_t kCacheFrom = 512;     // bytes of text
  static constexpr std::size_t kLongestCached = 64;  // bytes of a word
  static constexpr std::size_t kSlots = 1u << 14;
  static constexpr std::uint32_t kEmpty = ~std::uint32_t{0};

  struct Seen {
    std::uint32_t begin = kEmpty;  // of the word in the text
    std::uint32_t size = 0;
    std::uint32_t first_id = 0, ids = 0;
  };

  void encode(std::string_view word) {
    if (seen_.empty() || word.size() > kLongestCached) return encode_new(word);
    const auto begin = static_cast<std::size_t>(word.data() - text_.data());
    Seen& seen = seen_[std::hash<std::string_view>{}(word) % kSlots];
    if (seen.begin != kEmpty && seen.size == word.size() &&
        std::memcmp(text_.data() + seen.begin, word.data(), word.size()) == 0) {
      for (std::uint32_t i = 0; i < seen.ids; ++i) ids_.push_back(ids_[seen.first_id + i]);
      return;
    }
    const std::size_t first = ids_.size();
    encode_new(word);
    seen = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(word.size()),
            static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(ids_.size() - first)};
  }

  void encode_new(std::string_view word) {
    if (bpe_.settings_.ignore_merges) {
      if (const std::optional<TokenId> id = bpe_.whole_word(word, spelling_))
        return ids_.push_back(*id);
    }
    symbols_.clear();
    bpe_.append_symbols(word, symbols_);
    bpe_.merges_.merge(symbols_, scratch_);
    ids_.insert(ids_.end(), symbols_.begin(), symbols_.end());
  }

  const Bpe& bpe_;
  std::string_view text_;
  std::vector<TokenId>& ids_;
  std::vector<Seen> seen_;
  std::vector<TokenId> symbols_;
  std::string spelling_;
  MergeTable::Scratch scratch_;
};

void Bpe::encode_text(std::string_view text, bool at_start, std::vector<TokenId>& ids) const {
  Words words(*this, text, ids);
  settings_.pretokenizer.split(text, at_start, words);
}

std::string Bpe::normal_bytes(TokenId id) const {
  if (vocab().type(id) == TokenType::kByte)
    return std::string(1, static_cast<char>(vocab().byte_value(id)));
  const std::string_view spelling = vocab().piece(id);
  if (!settings_.pretokenizer.byte_level()) return std::string(spelling);
  // A token with characters outside of the alphabet was added as it is.
  return spelled_bytes(spelling).value_or(std::string(spelling));
}

Result<BpeSettings> read_settings(const Metadata& metadata) {
  BpeSettings settings;
  settings.name = TRY(metadata.string_or("tokenizer.ggml.pre", "default"));
  if (metadata.contains("bantam.tokenizer.pre_tokenizer")) {
    const std::string text = TRY(metadata.string("bantam.tokenizer.pre_tokenizer"));
    const Json value = TRY(parse_json(text));
    settings.pretokenizer = TRY(Pretokenizer::parse(value));
    settings.name = "own pre-tokenizer";
  } else {
    settings.pretokenizer = TRY(Pretokenizer::named(settings.name));
    settings.ignore_merges = find_pretokenizer(settings.name)->ignore_merges;
  }
  settings.ignore_merges =
      TRY(metadata.boolean_or("bantam.tokenizer.ignore_merges", settings.ignore_merges));
  return settings;
}

Result<Normalizer> read_normalizer(const Metadata& metadata) {
  if (metadata.contains("bantam.tokenizer.normalizer"))
    return Normalizer::parse_text(TRY(metadata.string("bantam.tokenizer.normalizer")));
  const PretokenizerInfo* info =
      find_pretokenizer(TRY(metadata.string_or("tokenizer.ggml.pre", "default")));
  if (info != nullptr && info->compose && !metadata.contains("bantam.tokenizer.pre_tokenizer"))
    return Normalizer::parse_text(R"({"type":"NFC"})");
  return Normalizer();
}

}  // namespace

TokenizerResult make_bpe(Vocab vocab, const Metadata& metadata) {
  BpeSettings settings = TRY(read_settings(metadata));
  Normalizer normalizer = TRY(read_normalizer(metadata));
  const std::vector<std::string>* lines = TRY(metadata.strings("tokenizer.ggml.merges"));
  if (lines == nullptr)
    return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                "tokenizer.ggml.merges is missing; BPE needs it");
  MergeTable merges = TRY(MergeTable::build(*lines, vocab));
  std::string description =
      fmt::format("{} BPE ({}), {} tokens",
                  settings.pretokenizer.byte_level() ? "byte-level" : "character-level",
                  settings.name, vocab.size());
  return std::make_shared<Bpe>(std::move(vocab), std::move(merges), std::move(settings),
                               std::move(normalizer), std::move(description));
}

}  // namespace bantam
