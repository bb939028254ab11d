// bantam show: what a model file says about itself.
#include <algorithm>
#include <map>
#include <string>

#include "cli/commands.h"
#include "cli/model_finder.h"
#include "cli/model_summary.h"
#include "cli/text.h"
#include "formats/weight_file.h"

namespace bantam {
namespace {

class ShowCommand : public Command {
 public:
  ShowCommand()
      : Command({.name = "show",
                 .summary = "Show a model's size, shape, metadata and tensors",
                 .example = "  bantam show seed\n"
                            "  bantam show models/seed-Q8_0.gguf --tensors --json",
                 .details = "Reads the header only, so it takes the same time for any size of "
                            "file."}) {
    options().add(model_, {.value = "MODEL",
                           .help = "a GGUF file, a Hugging Face folder, or a name that `bantam "
                                   "list` shows",
                           .required = true});
    options().add(tensors_, {.flag = "--tensors", .help = "list every tensor too"});
  }

  Result<void> run(CommandContext& context) override {
    const std::filesystem::path path = TRY(resolve_model(model_));
    const auto file = TRY(open_weights(path));
    const ModelSummary summary = summarize(*file);

    JsonObject document{{"path", path.string()}, {"format", file->description}};
    std::string text = fmt::format("{}\n  {:<16}{}\n", path.string(), "format", file->description);
    for (const auto& [name, value] : summary.facts()) {
      text += fmt::format("  {:<16}{}\n", name, value);
    }
    text += "\nMetadata\n";
    JsonObject metadata;
    for (const auto& [key, value] : file->metadata.entries()) {
      text += fmt::format("  {} = {}\n", key, short_text(value));
      metadata[key] = meta_json(value);
    }
    if (tensors_) text += "\nTensors\n" + tensor_lines(*file);
    TRY(context.console.print(text));

    summary.add_to(document);
    document["metadata"] = std::move(metadata);
    if (tensors_) document["tensors"] = tensor_documents(*file);
    return context.console.document(document);
  }

 private:
  static std::string tensor_lines(const WeightFile& file) {
    std::size_t width = 0;
    for (const NamedTensor& tensor : file.tensors()) width = std::max(width, tensor.name.size());
    std::string text;
    for (const auto& [name, view] : file.tensors())
      text += fmt::format("  {:<{}}  {:<8}{:>10}  {}\n", name, width, dtype_info(view.dtype).name,
                          human_bytes(view.bytes()), view.shape.to_string());
    return text;
  }

  static JsonArray tensor_documents(const WeightFile& file) {
    JsonArray documents;
    for (const auto& [name, view] : file.tensors()) {
      JsonArray shape;
      for (std::size_t i = 0; i < view.shape.rank(); ++i) shape.emplace_back(view.shape[i]);
      documents.push_back(JsonObject{{"name", name},
                                     {"type", dtype_info(view.dtype).name},
                                     {"shape", std::move(shape)},
                                     {"bytes", view.bytes()}});
    }
    return documents;
  }

  std::string model_;
  bool tensors_ = false;
};

}  // namespace

std::unique_ptr<Command> show_command() { return std::make_unique<ShowCommand>(); }

}  // namespace bantam
