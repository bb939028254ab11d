// bantam tokenize: text to token ids.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/unicode.h"
#include "cli/commands.h"
#include "cli/model_finder.h"
#include "tokenizer/tokenizer.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;

class TokenizeCommand : public Command {
 public:
  TokenizeCommand()
      : Command({.name = "tokenize",
                 .summary = "Turn text into token ids",
                 .example = "  bantam tokenize -m seed 'Where is my card?'\n"
                            "  bantam tokenize -m tokenizer.json --parse-specials --file chat.txt "
                            "--json",
                 .details = "Prints one token a line: its id and its spelling in the vocabulary. "
                            "MODEL may also be a\ntokenizer file in its original format "
                            "(tokenizer.json, tokenizer.model, *.tiktoken, …)."}) {
    options().add(model_, {.flag = "--model",
                           .letter = 'm',
                           .value = "MODEL",
                           .help = "whose vocabulary: a path, or a name that `bantam list` shows",
                           .required = true});
    options().add(text_, {.value = "TEXT", .help = "the text"});
    options().add(file_, {.flag = "--file", .value = "FILE", .help = "a file with it, instead"});
    options().add(encode_.add_specials,
                  {.flag = "--add-specials",
                   .help = "add the tokens that the model wants around a text (BOS, EOS, …)"});
    options().add(encode_.parse_specials,
                  {.flag = "--parse-specials",
                   .help = "\"<|im_end|>\" in the text is the token, not its characters"});
  }

  Result<void> run(CommandContext& context) override {
    if (text_.has_value() == file_.has_value())
      return fail(ErrorKind::kUsage, "missing_argument", "give TEXT or --file, one of them");
    const std::filesystem::path path = TRY(resolve_model(model_));
    const auto tokenizer = TRY(load_tokenizer(path));
    if (file_) text_ = TRY(read_file(*file_, kMaxTextBytes));
    const std::vector<TokenId> ids = tokenizer->encode(*text_, encode_);

    JsonArray id_list, pieces;
    std::string lines;
    for (const TokenId id : ids) {
      const std::string piece = repair_utf8(tokenizer->piece(id));
      if (context.console.json()) {
        id_list.emplace_back(id);
        pieces.emplace_back(piece);
      } else {
        lines += fmt::format("{:>7}  {}\n", id, quoted(piece, piece.size()));
      }
    }
    TRY(context.console.print(lines));
    context.console.note(fmt::format("{} tokens, {}", ids.size(), tokenizer->description()));
    return context.console.document(
        JsonObject{{"ids", std::move(id_list)}, {"pieces", std::move(pieces)}});
  }

 private:
  std::string model_;
  std::optional<std::string> text_, file_;
  EncodeOptions encode_;
};

}  // namespace

std::unique_ptr<Command> tokenize_command() { return std::make_unique<TokenizeCommand>(); }

}  // namespace bantam
