#include "tokenizer/vocab.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "tokenizer/special_tokens.h"

namespace bantam {
namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
constexpr std::string_view kTypes = "tokenizer.ggml.token_type";
constexpr std::string_view kScores = "tokenizer.ggml.scores";
constexpr std::size_t kMaxVocabText = std::size_t{1} << 30;

// The value of one hexadecimal digit, -1 for anything else.
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// NN of "<0xNN>", -1 for any other spelling.
int parse_byte_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const int high = hex_digit(piece[3]), low = hex_digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

Result<void> check_count(std::string_view key, std::size_t found, std::size_t tokens) {
  if (found == tokens) return {};
  return fail(ErrorKind::kMalformed, "tokenizer_invalid",
              "{} has {} elements, {} has {}; they must be as many", key, found, kTokens, tokens);
}

}  // namespace

Result<Vocab> Vocab::from_metadata(const Metadata& metadata) {
  Vocab vocab;
  TRY(vocab.read_pieces(metadata));
  TRY(vocab.read_types(metadata));
  TRY(vocab.read_scores(metadata));
  TRY(vocab.index_pieces());
  TRY(vocab.index_bytes());
  vocab.specials_ = TRY(read_special_tokens(metadata, vocab));
  TRY(vocab.read_added(metadata));
  return vocab;
}

Result<void> Vocab::read_pieces(const Metadata& metadata) {
  const std::vector<std::string>* pieces = TRY(metadata.strings(kTokens));
  if (pieces == nullptr)
    return fail(ErrorKind::kNotFound, "no_tokenizer", "no vocabulary: {} is missing", kTokens);
  if (pieces->empty())
    return fail(ErrorKind::kMalformed, "tokenizer_invalid", "{} is empty", kTokens);
  if (pieces->size() > kMaxVocabSize)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large", "{} has {} tokens, at most {} fit",
                kTokens, pieces->size(), kMaxVocabSize);
  std::size_t total = 0;
  for (std::size_t i = 0; i < pieces->size(); ++i) {
    const std::size_t bytes = (*pieces)[i].size();
    total += bytes;
    if (bytes > kMaxPieceBytes || total > kMaxVocabText)
      return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                  "token too long: token {} has {} bytes (limit {} a token, {} in all)", i, bytes,
                  kMaxPieceBytes, kMaxVocabText);
  }
  text_.reserve(total);
  begin_.reserve(pieces->size() + 1);
  for (const std::string& piece : *pieces) {
    begin_.push_back(static_cast<std::uint32_t>(text_.size()));
    text_ += piece;
  }
  begin_.push_back(static_cast<std::uint32_t>(text_.size()));
  return {};
}

Result<void> Vocab::read_types(const Metadata& metadata) {
  const std::size_t count = begin_.size() - 1;
  const std::optional<std::vector<std::int64_t>> types = TRY(metadata.integers(kTypes));
  if (types) {
    TRY(check_count(kTypes, types->size(), count));
    types_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t type = (*types)[i];
      if (type < 0 || type > 6)
        return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                    "{}[{}] is {}, expected a token type from 1 to 6", kTypes, i, type);
      types_.push_back(type == 0 ? TokenType::kNormal : static_cast<TokenType>(type));
    }
    return {};
  }
  // Old files give no types. Spellings that only ever mean one thing still get theirs, so that a
  // chat's turns end and the text cannot forge them.
  types_.assign(count, TokenType::kNormal);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view spelling = piece(static_cast<TokenId>(i));
    if (parse_byte_piece(spelling) >= 0) {
      types_[i] = TokenType::kByte;
    } else if (std::ranges::count(turn_endings(), spelling) > 0 || spelling == "<s>" ||
               spelling == "<|im_start|>") {
      types_[i] = TokenType::kControl;
    } else if (spelling == "<unk>") {
      types_[i] = TokenType::kUnknown;
    }
  }
  return {};
}

Result<void> Vocab::read_scores(const Metadata& metadata) {
  const MetaValue* value = metadata.find(kScores);
  if (value == nullptr) return {};
  const auto* array = std::get_if<MetaArray>(&value->value);
  if (array == nullptr || (array->element != MetaType::kF32 && array->element != MetaType::kF64 &&
                           array->element != MetaType::kI32))
    return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                "wrong element type for {}: expected an array of f32, found {}{}", kScores,
                array == nullptr ? "" : "one of ",
                meta_type_name(array == nullptr ? value->type : array->element));
  TRY(check_count(kScores, array->size(), size()));
  scores_.reserve(size());
  for (std::size_t i = 0; i < size(); ++i) {
    const double score = array->element == MetaType::kI32
                             ? static_cast<double>(static_cast<std::int64_t>(array->integers[i]))
                             : array->floats[i];
    if (std::isnan(score))
      return fail(ErrorKind::kMalformed, "tokenizer_invalid", "{}[{}] is not a number", kScores, i);
    scores_.push_back(static_cast<float>(score));
  }
  return {};
}

std::size_t Vocab::slot_of(std::string_view piece) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>{}(piece)&mask;
  while (slots_[slot] >= 0 && this->piece(slots_[slot]) != piece) slot = (slot + 1) & mask;
  return slot;
}

Result<void> Vocab::index_pieces() {
  slots_.assign(std::bit_ceil(size() * 2 + 1), -1);
  // Spellings made to collide would make every look-up walk the table; honest ones stay near home.
  std::size_t budget = 64 * size() + 4096;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::size_t slot = slot_of(piece(id));
    const std::size_t steps = (slot - std::hash<std::string_view>{}(piece(id))) & mask;
    if (steps > budget)
      return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                  "the spellings in {} collide as if made to (at token {})", kTokens, i);
    budget -= steps;
    if (slots_[slot] < 0) slots_[slot] = id;  // of several tokens with one spelling the first wins
  }
  return {};
}

std::optional<TokenId> Vocab::find(std::string_view piece) const {
  const TokenId id = slots_[slot_of(piece)];
  return id < 0 ? std::nullopt : std::optional<TokenId>(id);
}

Result<void> Vocab::index_bytes() {
  byte_tokens_.fill(-1);
  for (std::size_t i = 0; i < size(); ++i) {
    if (types_[i] != TokenType::kByte) continue;
    const auto id = static_cast<TokenId>(i);
    const int byte = parse_byte_piece(piece(id));
    if (byte < 0)
      return fail(ErrorKind::kMalformed, "tokenizer_invalid",
                  "bad byte token: {}[{}] is {}, expected <0x00> to <0xFF>", kTokens, i,
                  quoted(piece(id)));
    TokenId& known = byte_tokens_[static_cast<std::size_t>(byte)];
    if (known < 0) known = id;
  }
  return {};
}

std::uint8_t Vocab::byte_value(TokenId id) const {
  CHECK(type(id) == TokenType::kByte, "token {} is no byte token", id);
  return static_cast<std::uint8_t>(parse_byte_piece(piece(id)));
}

Result<void> Vocab::read_added(const Metadata& metadata) {
  const auto sorted_ids = [&](std::string_view key) -> Result<std::vector<TokenId>> {
    std::vector<TokenId> ids = TRY(read_token_ids(metadata, key, *this));
    std::ranges::sort(ids);
    return ids;
  };
  const std::vector<TokenId> lstrip = TRY(sorted_ids("bantam.tokenizer.lstrip"));
  const std::vector<TokenId> rstrip = TRY(sorted_ids("bantam.tokenizer.rstrip"));
  const std::vector<TokenId> single = TRY(sorted_ids("bantam.tokenizer.single_word"));
  const std::vector<TokenId> normalized = TRY(sorted_ids("bantam.tokenizer.normalized"));
  const auto marked = [](const std::vector<TokenId>& ids, TokenId id) {
    return std::ranges::binary_search(ids, id);
  };

  // GGUF has no key for these flags. Two families are known to need them.
  const std::string name = lower_ascii(TRY(metadata.string_or("general.name", "")));
  const std::string pre = TRY(metadata.string_or("tokenizer.ggml.pre", ""));
  const bool flags_known =
      metadata.contains("bantam.tokenizer.lstrip") || metadata.contains("bantam.tokenizer.rstrip");
  const bool is_phi3 = !flags_known && (name.contains("phi-3") || name.contains("phi3"));
  const bool strips_mask =
      !flags_known && (pre == "jina-v2-de" || pre == "jina-v2-es" || pre == "jina-v2-code" ||
                       pre == "roberta-bpe" || name.contains("modern-bert"));

  for (std::size_t i = 0; i < size(); ++i) {
    if (types_[i] != TokenType::kControl && types_[i] != TokenType::kUnknown &&
        types_[i] != TokenType::kUserDefined)
      continue;
    const auto id = static_cast<TokenId>(i);
    const std::string_view spelling = piece(id);
    if (spelling.empty()) continue;
    AddedToken added{.id = id,
                     .control = types_[i] != TokenType::kUserDefined,
                     .lstrip = marked(lstrip, id),
                     .rstrip = marked(rstrip, id),
                     .single_word = marked(single, id),
                     .normalized = marked(normalized, id)};
    if (is_phi3 && spelling != "<unk>" && spelling != "<s>" && spelling != "<|endoftext|>")
      added.rstrip = true;
    if (strips_mask && (spelling == "<mask>" || spelling == "[MASK]")) added.lstrip = true;
    added_.push_back(added);
  }
  return {};
}

}  // namespace bantam
