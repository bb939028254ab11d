#include "tokenizer/sentencepiece_model.h"

#include <bit>
#include <cmath>

#include "tokenizer/charsmap.h"
#include "tokenizer/import.h"
#include "tokenizer/space_rules.h"
#include "tokenizer/vocab.h"

namespace bantam {
namespace {

enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  std::uint32_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t value = 0;  // kVarint, kFixed32, kFixed64
  std::string_view bytes;   // kBytes
  std::size_t offset = 0;   // in the file, of the field's tag
  std::size_t content = 0;  // … of its bytes
};

template <typename... Args>
std::unexpected<Error> broken(std::size_t offset, fmt::format_string<Args...> format,
                              Args&&... args) {
  auto error =
      fail(ErrorKind::kMalformed, "tokenizer_invalid", format, std::forward<Args>(args)...);
  return std::unexpected(std::move(error).error().in(fmt::format("byte {}", offset)));
}

// Reads the fields of one message. `base` is the offset of `bytes` in the file.
class MessageReader {
 public:
  MessageReader(std::string_view bytes, std::size_t base) : bytes_(bytes), base_(base) {}

  bool done() const { return at_ == bytes_.size(); }

  Result<Field> next() {
    Field field;
    field.offset = base_ + at_;
    const std::uint64_t tag = TRY(varint());
    if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF)
      return broken(field.offset, "expected a field number from 1 to 536870911, found {}",
                    tag >> 3);
    field.number = static_cast<std::uint32_t>(tag >> 3);
    field.wire = static_cast<Wire>(tag & 7);
    switch (field.wire) {
      case Wire::kVarint:
        field.value = TRY(varint());
        return field;
      case Wire::kFixed32:
        field.value = TRY(fixed(4));
        return field;
      case Wire::kFixed64:
        field.value = TRY(fixed(8));
        return field;
      case Wire::kBytes: {
        const std::uint64_t length = TRY(varint());
        if (length > bytes_.size() - at_)
          return broken(field.offset, "field {} claims {} bytes, {} are left", field.number, length,
                        bytes_.size() - at_);
        field.content = base_ + at_;
        field.bytes = bytes_.substr(at_, static_cast<std::size_t>(length));
        at_ += static_cast<std::size_t>(length);
        return field;
      }
    }
    return broken(field.offset, "expected wire type 0, 1, 2 or 5, found {}", tag & 7);
  }

 private:
  Result<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (done()) return broken(base_ + at_, "the file ends inside a number");
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      if (shift < 64) value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return broken(base_ + at_, "expected a number of at most 10 bytes");
  }

  Result<std::uint64_t> fixed(std::size_t size) {
    if (bytes_.size() - at_ < size)
      return broken(base_ + at_, "expected a number of {} bytes, {} are left", size,
                    bytes_.size() - at_);
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(bytes_[at_ + i]);
    at_ += size;
    return value;
  }

  std::string_view bytes_;
  std::size_t base_;
  std::size_t at_ = 0;
};

Result<void> expect(const Field& field, Wire wire, std::string_view name) {
  if (field.wire == wire) return {};
  return broken(field.offset, "expected wire type {} for {}, found {}", static_cast<int>(wire),
                name, static_cast<int>(field.wire));
}

Result<bool> read_bool(const Field& field, std::string_view name) {
  TRY(expect(field, Wire::kVarint, name));
  return field.value != 0;
}

// A token id: a negative one, which is written as 64 bits, means that there is none.
Result<std::optional<TokenId>> read_id(const Field& field, std::string_view name) {
  TRY(expect(field, Wire::kVarint, name));
  const auto value = static_cast<std::int64_t>(field.value);
  if (value < 0) return std::nullopt;
  if (value >= static_cast<std::int64_t>(kMaxVocabSize))
    return broken(field.offset, "expected {} below {}, found {}", name, kMaxVocabSize, value);
  return static_cast<TokenId>(value);
}

Result<void> read_piece(const Field& message, SentencePieceModel& model) {
  if (model.pieces.size() == kMaxVocabSize)
    return fail(ErrorKind::kTooLarge, "tokenizer_too_large", "more than {} pieces", kMaxVocabSize);
  std::string_view piece;
  float score = 0;
  auto type = TokenType::kNormal;
  for (MessageReader reader(message.bytes, message.content); !reader.done();) {
    const Field field = TRY(reader.next());
    if (field.number == 1) {
      TRY(expect(field, Wire::kBytes, "piece"));
      if (field.bytes.size() > kMaxPieceBytes)
        return fail(ErrorKind::kTooLarge, "tokenizer_too_large",
                    "token too long: piece {} at byte {} has {} bytes (limit {})",
                    model.pieces.size(), field.offset, field.bytes.size(), kMaxPieceBytes);
      piece = field.bytes;
    } else if (field.number == 2) {
      TRY(expect(field, Wire::kFixed32, "score"));
      score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
      if (std::isnan(score)) return broken(field.offset, "the score is not a number");
    } else if (field.number == 3) {
      TRY(expect(field, Wire::kVarint, "type"));
      if (field.value < 1 || field.value > 6)
        return broken(field.offset, "expected a piece type from 1 to 6, found {}", field.value);
      type = static_cast<TokenType>(field.value);
    }
  }
  model.pieces.emplace_back(piece);
  model.scores.push_back(score);
  model.types.push_back(type);
  return {};
}

Result<void> read_trainer(const Field& message, SentencePieceModel& model) {
  for (MessageReader reader(message.bytes, message.content); !reader.done();) {
    const Field field = TRY(reader.next());
    switch (field.number) {
      case 3:
        TRY(expect(field, Wire::kVarint, "model_type"));
        if (field.value < 1 || field.value > 4)
          return broken(field.offset, "expected a model type from 1 to 4, found {}", field.value);
        model.kind = static_cast<SentencePieceModel::Kind>(field.value);
        break;
      case 24:
        model.treat_whitespace_as_suffix = TRY(read_bool(field, "treat_whitespace_as_suffix"));
        break;
      case 40:
        model.unknown = TRY(read_id(field, "unk_id"));
        break;
      case 41:
        model.bos = TRY(read_id(field, "bos_id"));
        break;
      case 42:
        model.eos = TRY(read_id(field, "eos_id"));
        break;
      case 43:
        model.pad = TRY(read_id(field, "pad_id"));
        break;
      default:
        break;
    }
  }
  return {};
}

Result<void> read_normalizer(const Field& message, SentencePieceModel& model) {
  for (MessageReader reader(message.bytes, message.content); !reader.done();) {
    const Field field = TRY(reader.next());
    switch (field.number) {
      case 2:
        TRY(expect(field, Wire::kBytes, "precompiled_charsmap"));
        model.charsmap = field.bytes;
        break;
      case 3:
        model.add_dummy_prefix = TRY(read_bool(field, "add_dummy_prefix"));
        break;
      case 4:
        model.remove_extra_whitespaces = TRY(read_bool(field, "remove_extra_whitespaces"));
        break;
      case 5:
        model.escape_whitespaces = TRY(read_bool(field, "escape_whitespaces"));
        break;
      default:
        break;
    }
  }
  return {};
}

// An id of the trainer's counts if its token exists and has the type that goes with it; a model
// that was made without, say, a BOS token still carries the default id.
void drop_unless(std::optional<TokenId>& id, const SentencePieceModel& model, TokenType type) {
  const bool there = id && static_cast<std::size_t>(*id) < model.types.size();
  if (!there || model.types[static_cast<std::size_t>(*id)] != type) id.reset();
}

}  // namespace

Result<SentencePieceModel> SentencePieceModel::parse(std::string_view bytes) {
  SentencePieceModel model;
  model.unknown = 0;  // the defaults of the format
  model.bos = 1;
  model.eos = 2;
  for (MessageReader reader(bytes, 0); !reader.done();) {
    const Field field = TRY(reader.next());
    if (field.number < 1 || field.number > 3) continue;
    TRY(expect(field, Wire::kBytes, "a message"));
    if (field.number == 1) TRY(read_piece(field, model));
    if (field.number == 2) TRY(read_trainer(field, model));
    if (field.number == 3) TRY(read_normalizer(field, model));
  }
  if (model.pieces.empty()) return broken(0, "expected a SentencePiece model, found no pieces");
  drop_unless(model.unknown, model, TokenType::kUnknown);
  drop_unless(model.bos, model, TokenType::kControl);
  drop_unless(model.eos, model, TokenType::kControl);
  drop_unless(model.pad, model, TokenType::kControl);
  return model;
}

Result<ImportedVocab> import_sentencepiece(std::string_view bytes, Metadata& out) {
  SentencePieceModel model = TRY(SentencePieceModel::parse(bytes));
  const auto unsupported = [](std::string_view what) {
    return fail(ErrorKind::kUnsupported, "tokenizer_unsupported",
                "SentencePiece model {}; known are unigram and bpe with escaped white space", what);
  };
  if (model.kind == SentencePieceModel::Kind::kWord) return unsupported("of type word");
  if (model.kind == SentencePieceModel::Kind::kChar) return unsupported("of type char");
  if (!model.escape_whitespaces) return unsupported("without escape_whitespaces");
  if (model.treat_whitespace_as_suffix) return unsupported("with treat_whitespace_as_suffix");

  out.set_string("tokenizer.ggml.model",
                 model.kind == SentencePieceModel::Kind::kBpe ? "llama" : "t5");
  out.set_string("tokenizer.ggml.pre", "default");
  SpaceRules spaces;
  spaces.prefix = model.add_dummy_prefix;
  spaces.inline_tokens = true;
  spaces.collapse = model.remove_extra_whitespaces;
  spaces.to_metadata(out);
  if (!model.charsmap.empty()) set_charsmap(out, model.charsmap);
  ImportedVocab vocab;
  vocab.pieces = std::move(model.pieces);
  vocab.scores = std::move(model.scores);
  vocab.types = std::move(model.types);
  vocab.unknown = model.unknown;
  vocab.bos = model.bos;
  vocab.eos = model.eos;
  vocab.pad = model.pad;
  return vocab;
}

}  // namespace bantam
