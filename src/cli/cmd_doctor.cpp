// bantam doctor: is this machine ready?
#include <algorithm>
#include <vector>

#include "cli/commands.h"
#include "cli/machine_report.h"
#include "cli/model_finder.h"
#include "formats/weight_file.h"

namespace bantam {
namespace {

Finding examine_models() {
  const std::vector<FoundModel> models = find_models(model_folders());
  Finding finding{.name = "models"};
  if (models.empty()) {
    finding.verdict = Verdict::kWarning;
    finding.found = "none";
    finding.advice = "set BANTAM_MODELS to a folder of GGUF files, or name a model by its path";
    return finding;
  }
  std::vector<std::string> names, broken;
  for (const FoundModel& model : models) {
    names.push_back(model.name);
    const auto opened = open_weights(model.path);
    if (!opened) broken.push_back(opened.error().to_string());
  }
  finding.found = fmt::format("{}", fmt::join(names, ", "));
  if (!broken.empty()) {
    finding.verdict = Verdict::kFailure;
    finding.advice = fmt::format("remove or replace what does not open: {}", broken[0]);
  }
  return finding;
}

class DoctorCommand : public Command {
 public:
  DoctorCommand()
      : Command({.name = "doctor",
                 .summary = "Check this machine: processor, memory, limits, models",
                 .example = "  bantam doctor\n  bantam doctor --json",
                 .details = "Exit code 78 if something must be mended before bantam can run."}) {}

  Result<void> run(CommandContext& context) override {
    std::vector<Finding> findings = examine_machine();
    findings.push_back(examine_models());

    JsonArray checks;
    std::string text = fmt::format("bantam {}\n", context.version);
    for (const Finding& finding : findings) {
      text += fmt::format("  {:<4}  {:<11}  {}\n", verdict_name(finding.verdict), finding.name,
                          finding.found);
      if (!finding.advice.empty()) text += fmt::format("{:21}{}\n", "", finding.advice);
      checks.push_back(JsonObject{{"name", finding.name},
                                  {"verdict", verdict_name(finding.verdict)},
                                  {"found", finding.found},
                                  {"advice", finding.advice}});
    }
    const bool failed = std::ranges::any_of(
        findings, [](const Finding& each) { return each.verdict == Verdict::kFailure; });
    TRY(context.console.print(text));
    TRY(context.console.document(
        JsonObject{{"version", context.version}, {"ok", !failed}, {"checks", std::move(checks)}}));
    if (failed)
      return fail(ErrorKind::kConfiguration, "doctor_failed", "a check failed; see its advice");
    return {};
  }
};

}  // namespace

std::unique_ptr<Command> doctor_command() { return std::make_unique<DoctorCommand>(); }

}  // namespace bantam
