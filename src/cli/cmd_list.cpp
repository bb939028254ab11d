// bantam list: which models there are.
#include <algorithm>

#include "cli/commands.h"
#include "cli/model_finder.h"
#include "cli/text.h"

namespace bantam {
namespace {

class ListCommand : public Command {
 public:
  ListCommand()
      : Command({.name = "list",
                 .summary = "Show the models that can be named",
                 .example = "  bantam list\n"
                            "  BANTAM_MODELS=/srv/models bantam list --json",
                 .details = "Models are looked for in the folders of $BANTAM_MODELS (separated by "
                            "colons),\nin ~/.local/share/bantam/models and among the shipped "
                            "ones. Any other file or folder\ncan be named by its path."}) {}

  Result<void> run(CommandContext& context) override {
    const std::vector<std::filesystem::path> folders = model_folders();
    const std::vector<FoundModel> models = find_models(folders);
    if (models.empty())
      context.console.note(folders.empty() ? "No model folder exists; set BANTAM_MODELS."
                                           : "The model folders hold no model.");
    TRY(context.console.print(table(models)));
    return context.console.document(document(models, folders));
  }

 private:
  static std::string table(const std::vector<FoundModel>& models) {
    std::size_t width = 0;
    for (const FoundModel& model : models) width = std::max(width, model.name.size());
    std::string text;
    for (const FoundModel& model : models)
      text += fmt::format("{:<{}}  {:>9}  {:<6}  {}\n", model.name, width, human_bytes(model.bytes),
                          kind(model), model.path.string());
    return text;
  }

  static Json document(const std::vector<FoundModel>& models,
                       const std::vector<std::filesystem::path>& folders) {
    JsonArray listed, searched;
    for (const FoundModel& model : models)
      listed.push_back(JsonObject{{"name", model.name},
                                  {"path", model.path.string()},
                                  {"bytes", model.bytes},
                                  {"format", kind(model)}});
    for (const auto& folder : folders) searched.emplace_back(folder.string());
    return JsonObject{{"models", std::move(listed)}, {"folders", std::move(searched)}};
  }

  static std::string kind(const FoundModel& model) { return model.is_folder ? "folder" : "gguf"; }
};

}  // namespace

std::unique_ptr<Command> list_command() { return std::make_unique<ListCommand>(); }

}  // namespace bantam
