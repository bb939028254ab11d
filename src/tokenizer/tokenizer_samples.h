// For the tests of this folder: small vocabularies, random texts, and SentencePiece models and
// normalisation tables made byte by byte.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/unicode.h"
#include "formats/metadata.h"
#include "tokenizer/tokenizer.h"

namespace bantam::samples {

struct Token {
  std::string piece;
  float score = 0;
  TokenType type = TokenType::kNormal;
};

inline std::string byte_piece(unsigned byte) { return fmt::format("<0x{:02X}>", byte); }

inline std::vector<Token> with_bytes(std::vector<Token> tokens) {
  for (unsigned byte = 0; byte < 256; ++byte)
    tokens.push_back({byte_piece(byte), 0, TokenType::kByte});
  return tokens;
}

// Metadata of a vocabulary. "llama", "t5" or "bert".
inline Metadata vocabulary(std::string_view model, const std::vector<Token>& tokens) {
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<std::int32_t> types;
  for (const Token& token : tokens) {
    pieces.push_back(token.piece);
    scores.push_back(token.score);
    types.push_back(static_cast<std::int32_t>(token.type));
  }
  Metadata metadata;
  metadata.set_string("tokenizer.ggml.model", std::string(model));
  metadata.set_strings("tokenizer.ggml.tokens", std::move(pieces));
  metadata.set_f32s("tokenizer.ggml.scores", scores);
  metadata.set_i32s("tokenizer.ggml.token_type", types);
  return metadata;
}

inline std::shared_ptr<const Tokenizer> make(const Metadata& metadata) {
  auto tokenizer = make_tokenizer(metadata);
  EXPECT_TRUE(tokenizer) << tokenizer.error().to_string();
  return tokenizer ? *tokenizer : nullptr;
}

// The spellings of the ids of `text`.
inline std::vector<std::string> pieces(const Tokenizer& tokenizer, std::string_view text,
                                       const EncodeOptions& options = {}) {
  std::vector<std::string> out;
  for (const TokenId id : tokenizer.encode(text, options)) out.emplace_back(tokenizer.piece(id));
  return out;
}

inline std::string random_bytes(Random& random, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(random.next_below(256));
  return out;
}

// Code points of one to four bytes, often spaces and letters.
inline std::string random_text(Random& random, std::size_t chars) {
  std::string out;
  for (std::size_t i = 0; i < chars; ++i) {
    switch (random.next_below(8)) {
      case 0:
        out += ' ';
        break;
      case 1:
        append_utf8(out, static_cast<char32_t>(random.next_below(0x80)));
        break;
      case 2:
        append_utf8(out, static_cast<char32_t>(random.next_below(0x800)));
        break;
      case 3:
        append_utf8(out, static_cast<char32_t>(random.next_below(0x10000)));
        break;
      case 4:
        append_utf8(out, static_cast<char32_t>(random.next_below(0x110000)));
        break;
      default:
        out += static_cast<char>('a' + random.next_below(26));
        break;
    }
  }
  return out;
}

// A string of the given letters.
inline std::string random_word(Random& random, std::string_view letters, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += letters[random.next_below(letters.size())];
  return out;
}

// Messages of protocol buffers.
class Message {
 public:
  Message& varint(unsigned field, std::uint64_t value) {
    number(field << 3 | 0);
    number(value);
    return *this;
  }
  Message& bytes(unsigned field, std::string_view value) {
    number(field << 3 | 2);
    number(value.size());
    out += value;
    return *this;
  }
  Message& f32(unsigned field, float value) {
    number(field << 3 | 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (unsigned i = 0; i < 4; ++i) out += static_cast<char>(bits >> 8 * i & 0xFF);
    return *this;
  }
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
  }

  std::string out;
};

// A *.model file; `type` 1 is Unigram, 2 BPE.
inline std::string sentencepiece_model(unsigned type, const std::vector<Token>& tokens,
                                       std::string_view charsmap = {}, bool collapse = false) {
  Message model;
  for (const Token& token : tokens)
    model.bytes(1, Message()
                       .bytes(1, token.piece)
                       .f32(2, token.score)
                       .varint(3, static_cast<std::uint64_t>(token.type))
                       .out);
  model.bytes(2, Message()
                     .varint(3, type)
                     .varint(40, 0)
                     .varint(41, 1)
                     .varint(42, 2)
                     .varint(43, ~std::uint64_t{0})
                     .out);
  model.bytes(3,
              Message().bytes(1, "test").bytes(2, charsmap).varint(3, 1).varint(4, collapse).out);
  return model.out;
}

// A precompiled_charsmap with these rules, no key empty or with a NUL in it.
inline std::string charsmap(const std::map<std::string, std::string>& rules) {
  struct Node {
    std::map<unsigned char, std::size_t> children;
    std::int64_t value = -1;
  };
  std::string replacements;
  std::vector<Node> nodes(1);
  for (const auto& [from, to] : rules) {
    std::size_t node = 0;
    for (const char c : from) {
      const auto byte = static_cast<unsigned char>(c);
      if (!nodes[node].children.contains(byte)) {
        nodes[node].children[byte] = nodes.size();
        nodes.emplace_back();
      }
      node = nodes[node].children[byte];
    }
    nodes[node].value = static_cast<std::int64_t>(replacements.size());
    replacements += to + '\0';
  }
  // Each node's children go to the units base ^ label, where label 0 is the node's value. No two
  // nodes share a base, or one would lead to the other's children.
  std::set<std::size_t> bases;
  std::vector<std::uint32_t> units(256, 0);
  std::vector<bool> taken(256, false);
  std::vector<std::pair<std::size_t, std::size_t>> todo = {{0, 0}};  // node, its unit
  taken[0] = true;
  for (std::size_t next = 0; next < todo.size(); ++next) {
    const auto [node, unit] = todo[next];
    std::vector<unsigned char> labels;
    if (nodes[node].value >= 0) labels.push_back(0);
    for (const auto& [byte, child] : nodes[node].children) labels.push_back(byte);
    std::size_t base = 1;
    const auto is_free = [&](unsigned char label) {
      return (base ^ label) >= taken.size() || !taken[base ^ label];
    };
    while (base == unit || bases.contains(base) || !std::ranges::all_of(labels, is_free)) ++base;
    bases.insert(base);
    const std::size_t room = (base | 255) + 1;
    if (units.size() < room) {
      units.resize(room);
      taken.resize(room);
    }
    units[unit] |= static_cast<std::uint32_t>((unit ^ base) << 10);
    for (const unsigned char label : labels) {
      taken[base ^ label] = true;
      if (label == 0) {
        units[unit] |= 1u << 8;
        units[base] = 0x80000000u | static_cast<std::uint32_t>(nodes[node].value);
      } else {
        units[base ^ label] = label;
        todo.emplace_back(nodes[node].children[label], base ^ label);
      }
    }
  }
  std::string out;
  const auto put = [&](std::uint32_t value) {
    for (unsigned i = 0; i < 4; ++i) out += static_cast<char>(value >> 8 * i & 0xFF);
  };
  put(static_cast<std::uint32_t>(4 * units.size()));
  for (const std::uint32_t unit : units) put(unit);
  return out + replacements;
}

}  // namespace bantam::samples
