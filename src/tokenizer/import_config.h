// tokenizer_config.json and its companions, as far as they decide tokens. (Chat templates are read
// by formats/.)
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace bantam {

// A token that a file adds to the vocabulary or marks in it.
struct NewToken {
  std::size_t id = 0;
  std::string text;
  bool special = false;  // a control token; otherwise a user-defined one
  bool lstrip = false, rstrip = false, single_word = false, normalized = false;
};

// /added_tokens of tokenizer.json. kMalformed "tokenizer_invalid", with the JSON pointer.
Result<std::vector<NewToken>> read_added_tokens(const Json& list);

// Each read adds to what is there; the first file that names a thing decides it.
struct TokenizerConfig {
  std::vector<NewToken> tokens;  // added_tokens_decoder
  // "bos_token" and so on → spelling; empty where the file says null.
  std::map<std::string, std::string> roles;
  std::optional<bool> add_bos, add_eos;
  std::string pretokenizer;  // what tokenizer_class stands for; empty if nothing

  Result<void> read(const Json& value);               // tokenizer_config.json
  Result<void> read_roles(const Json& value);         // special_tokens_map.json, too
  Result<void> read_added_tokens(const Json& value);  // added_tokens.json: spelling → id

 private:
  Result<void> read_tokens(const Json& decoder);
};

}  // namespace bantam
