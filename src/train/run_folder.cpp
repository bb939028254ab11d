#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "base/file.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxLogBytes = std::size_t{1} << 30;
constexpr JsonLimits kLineLimits = {.max_bytes = 1 << 20, .max_depth = 8};

std::unexpected<Error> system_failed(const std::filesystem::path& path, std::string_view what) {
  const int code = errno;
  const bool refused = code == EACCES || code == EPERM || code == EROFS;
  const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  auto error = fail(refused ? ErrorKind::kPermission : ErrorKind::kCannotCreate,
                    refused ? "permission" : (full ? "storage_full" : "io"), "{}: {}", what,
                    std::generic_category().message(code));
  error.error().where = path.string();
  return error;
}

std::unexpected<Error> locked(const std::filesystem::path& path) {
  const std::string holder = read_file(path / "lock", 64).value_or("");
  auto error = fail(ErrorKind::kTryAgain, "run_locked", "another run is working here{}",
                    holder.empty() ? "" : " (process " + holder + ")");
  error.error().where = path.string();
  error.error().hint = "wait for it, or give this run a folder of its own";
  return error;
}

// Only ours: AtomicFile's temporary names.
void remove_leftovers(const std::filesystem::path& path) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".bantam-") && name.ends_with(".tmp"))
      std::filesystem::remove(entry.path(), ignored);
  }
}

std::int64_t step_of(const Json& line) {
  JsonReader reader(line);
  return reader.integer("step", 0, 0, std::numeric_limits<std::int64_t>::max()).value_or(0);
}

}  // namespace

Result<RunFolder> RunFolder::open(const std::filesystem::path& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) {
    errno = failed.value();
    return system_failed(path, "the folder cannot be made");
  }
  const std::filesystem::path name = path / "lock";
  const int lock = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (lock < 0) return system_failed(name, "cannot be opened");
  RunFolder folder(path, lock);
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return locked(path);
    return system_failed(name, "cannot be locked");
  }
  const std::string holder = std::to_string(::getpid());
  if (::ftruncate(lock, 0) != 0 ||
      ::pwrite(lock, holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size()))
    return system_failed(name, "cannot be written");
  remove_leftovers(path);
  return folder;
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

Result<void> RunFolder::rewind_log(std::int64_t step) const {
  std::string kept;
  for (const Json& line : TRY(read_log(log())))
    if (step_of(line) <= step) kept += write_json(line) + '\n';
  return write_file(log(), kept);
}

Result<void> RunFolder::write_log(const JsonObject& line) const {
  const int file = ::open(log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return system_failed(log(), "cannot be opened");
  // One write, so that a line is there whole or is the last.
  const std::string text = write_json(line) + '\n';
  const ssize_t written = ::write(file, text.data(), text.size());
  if (written >= 0 && written != static_cast<ssize_t>(text.size())) errno = ENOSPC;
  Result<void> result;
  if (written != static_cast<ssize_t>(text.size()))
    result = system_failed(log(), "cannot be written");
  ::close(file);
  return result;
}

Result<std::vector<Json>> read_log(const std::filesystem::path& path) {
  std::vector<Json> lines;
  const auto text = read_file(path, kMaxLogBytes);
  if (!text && text.error().code == "file_not_found") return lines;
  if (!text) return std::unexpected(text.error());
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = text->find('\n', at);
    if (end == std::string::npos) break;
    auto line = parse_json(std::string_view(*text).substr(at, end - at), kLineLimits);
    if (line && line->is_object()) lines.push_back(std::move(*line));
    at = end + 1;
  }
  return lines;
}

}  // namespace bantam
