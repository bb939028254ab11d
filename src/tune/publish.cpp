#include "tune/publish.h"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/rename_file.h"

namespace bantam {
namespace {

// As rename_file(), and a folder takes another one's place in one step, too.
Result<void> put_in_place(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  if (!std::filesystem::is_directory(from, error) || !std::filesystem::exists(to, error))
    return rename_file(from, to);
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0)
    return fail(ErrorKind::kCannotCreate, "io", "{}: cannot be put in place: {}", to.string(),
                std::strerror(errno));
  std::filesystem::remove_all(from, error);
  if (error) return fail(ErrorKind::kCannotCreate, "io", "{}: {}", from.string(), error.message());
  return {};
}

}  // namespace

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
    return std::unexpected(std::move(same)
                               .error()
                               .in(unproven.string())
                               .with_hint("`bantam parity` compares any rows"));
  return put_in_place(unproven, out);
}

}  // namespace bantam
