#include "tune/publish.h"

#include "base/rename_file.h"

namespace bantam {

Result<void> publish(const Publication& publication, const ParityTrainer& trainer,
                     const std::function<Result<void>(const std::filesystem::path&)>& write) {
  const std::filesystem::path& out = publication.out;
  const std::filesystem::path unproven =
      out.parent_path() / ("unproven-" + out.filename().string());
  TRY(write(unproven));
  LocalChatOptions options{.engine = publication.engine};
  options.now = trainer.renderer.now();
  const bool adapter = !publication.base.empty();
  if (adapter) options.engine.adapter = unproven;
  const auto file = TRY(LocalChat::open(adapter ? publication.base : unproven, options));
  const ParityReport report =
      TRY(check_parity(publication.rows, trainer, {.file = *file, .server = *file},
                       publication.render, {.tolerance = publication.tolerance}));
  if (auto same = require_parity(report); !same)
    return std::unexpected(std::move(same).error().in(unproven.string()));
  return rename_file(unproven, out);
}

}  // namespace bantam
