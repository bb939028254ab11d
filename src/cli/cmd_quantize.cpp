// bantam quantize: a model in another storage type, as a GGUF file.
#include <filesystem>
#include <string>

#include "base/thread_pool.h"
#include "cli/commands.h"
#include "cli/model_finder.h"
#include "cli/text.h"
#include "compress/convert.h"
#include "formats/weight_file.h"

namespace bantam {
namespace {

std::string list_of_recipes() {
  std::string names;
  for (const Recipe& recipe : all_recipes())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", recipe.name);
  return names;
}

class QuantizeCommand : public Command {
 public:
  QuantizeCommand()
      : Command(
            {.name = "quantize",
             .summary = "Convert a model to GGUF, smaller if asked",
             .example = "  bantam quantize path/to/hf-folder model.gguf --type F16\n"
                        "  bantam quantize model.gguf model-Q4_K_M.gguf --type Q4_K_M",
             .details =
                 "Vectors stay F32, and the output matrix gets Q6_K under every smaller type. "
                 "Rows\n"
                 "that are no multiple of 256 get Q8_0 instead of a K type, those that are no\n"
                 "multiple of 32 get F16. The file appears when it is complete; an interrupted\n"
                 "run leaves what was there before."}) {
    options().add(model_, {.value = "IN",
                           .help = "a GGUF file, a Hugging Face folder, or a name that `bantam "
                                   "list` shows",
                           .required = true});
    options().add(out_, {.value = "OUT.gguf", .help = "the file to write", .required = true});
    options().add(type_, {.flag = "--type", .letter = 't', .value = "T", .help = type_help_});
  }

  Result<void> run(CommandContext& context) override {
    const Recipe* recipe = TRY(find_recipe(type_));
    const std::filesystem::path path = TRY(resolve_model(model_));
    const auto file = TRY(open_weights(path));
    ThreadPool pool(static_cast<std::size_t>(context.threads));
    Console& console = context.console;
    ConvertOptions options{.out = out_, .recipe = recipe};
    options.progress = [&](const ConvertProgress& progress) {
      console.progress("Converting", progress.done, progress.total);
      return true;
    };
    const auto converted = convert(*file, options, pool);
    console.clear_progress();
    const ConvertReport report = TRY(converted);
    if (report.requantized > 0)
      console.warn(
          fmt::format("{} tensors had been quantized before, so their errors add up; "
                      "convert from the original if you can",
                      report.requantized));
    TRY(console.print(text_of(report)));
    return console.document(document_of(report, *recipe));
  }

 private:
  std::string text_of(const ConvertReport& report) const {
    std::string text =
        fmt::format("{}: {}, {:.2f} bits a weight, relative error {:.2e}\n", out_,
                    human_bytes(report.file_bytes), report.bits_per_weight, report.relative_error);
    for (const ConvertedType& type : report.types)
      text += fmt::format("  {:<6}{:>5} tensors  {:>10}  relative error {:.2e}\n",
                          dtype_info(type.type).name, type.tensors, human_bytes(type.bytes),
                          type.relative_error);
    return text;
  }

  JsonObject document_of(const ConvertReport& report, const Recipe& recipe) const {
    JsonArray types;
    for (const ConvertedType& type : report.types)
      types.push_back(JsonObject{{"type", dtype_info(type.type).name},
                                 {"tensors", type.tensors},
                                 {"elements", type.elements},
                                 {"bytes", type.bytes},
                                 {"relative_error", type.relative_error}});
    return JsonObject{{"path", out_},
                      {"type", recipe.name},
                      {"file_bytes", report.file_bytes},
                      {"tensor_bytes_in", report.tensor_bytes_in},
                      {"tensor_bytes_out", report.tensor_bytes_out},
                      {"elements", report.elements},
                      {"bits_per_weight", report.bits_per_weight},
                      {"relative_error", report.relative_error},
                      {"requantized", report.requantized},
                      {"types", std::move(types)}};
  }

  std::string model_, out_, type_ = "Q8_0";
  const std::string type_help_ = "storage type or mix: " + list_of_recipes();
};

}  // namespace

std::unique_ptr<Command> quantize_command() { return std::make_unique<QuantizeCommand>(); }

}  // namespace bantam
