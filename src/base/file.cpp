#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/rename_file.h"

namespace bantam {
namespace {

constexpr std::size_t kWriteBuffer = 1u << 20;

std::string reason(int code) { return std::generic_category().message(code); }

std::unexpected<Error> at(const std::filesystem::path& path, std::unexpected<Error> error) {
  error.error().where = path.string();
  return error;
}

std::unexpected<Error> open_failed(const std::filesystem::path& path, int code) {
  switch (code) {
    case ENOENT:
    case ENOTDIR:
      return at(path, fail(ErrorKind::kNotFound, "file_not_found", "there is no such file"));
    case EACCES:
    case EPERM:
      return at(path,
                fail(ErrorKind::kPermission, "permission", "may not be opened: {}", reason(code)));
    case ENXIO:  // a socket, or a device without a driver
    case EISDIR:
    case ELOOP:
      return at(path, fail(ErrorKind::kUsage, "not_a_regular_file", "not a regular file: {}",
                           reason(code)));
    default:
      return at(path, fail(ErrorKind::kIo, "io", "cannot be opened: {}", reason(code)));
  }
}

std::unexpected<Error> write_failed(const std::filesystem::path& path, std::string_view what,
                                    int code) {
  if (code == ENOSPC || code == EDQUOT || code == EFBIG)
    return at(path, fail(ErrorKind::kCannotCreate, "storage_full", "{}: {}", what, reason(code)));
  if (code == EACCES || code == EPERM || code == EROFS)
    return at(path, fail(ErrorKind::kPermission, "permission", "{}: {}", what, reason(code)));
  return at(path, fail(ErrorKind::kCannotCreate, "io", "{}: {}", what, reason(code)));
}

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "something else";
}

// An open file descriptor, closed when dropped.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

struct OpenFile {
  Descriptor descriptor;
  std::uint64_t size;
};

Result<OpenFile> open_regular(const std::filesystem::path& path) {
  int number = -1;
  do {
    number = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  } while (number < 0 && errno == EINTR);
  if (number < 0) return open_failed(path, errno);
  Descriptor descriptor(number);
  struct stat status = {};
  if (::fstat(number, &status) != 0)
    return at(path, fail(ErrorKind::kIo, "io", "cannot be examined: {}", reason(errno)));
  if (!S_ISREG(status.st_mode))
    return at(path, fail(ErrorKind::kUsage, "not_a_regular_file",
                         "expected a regular file, found {}", kind_of(status.st_mode)));
  return OpenFile{std::move(descriptor), static_cast<std::uint64_t>(status.st_size)};
}

Result<void> write_all(int descriptor, std::span<const std::byte> bytes,
                       const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return write_failed(path, "cannot be written", errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

// Makes a rename or a new name in `folder` survive a crash.
Result<void> sync_folder(const std::filesystem::path& folder, const std::filesystem::path& path) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0) return write_failed(path, "its folder cannot be opened", errno);
  // Some file systems cannot sync a folder and say so; there is nothing more to do on them.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL && errno != ENOTSUP)
    return write_failed(path, "its folder cannot be synced to disk", errno);
  return {};
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const OpenFile file = TRY(open_regular(path));
  MappedFile map;
  map.path_ = path;
  if (file.size == 0) return map;
  const auto size = static_cast<std::size_t>(file.size);
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.descriptor.get(), 0);
  if (start == MAP_FAILED)
    return at(path, fail(ErrorKind::kIo, "io", "cannot be mapped: {}", reason(errno)));
  map.map_ = std::shared_ptr<const void>(
      start, [size](const void* memory) { ::munmap(const_cast<void*>(memory), size); });
  map.bytes_ = {static_cast<const std::byte*>(start), size};
  return map;
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const OpenFile file = TRY(open_regular(path));
  const auto too_large = [&](std::uint64_t size) {
    return at(path, fail(ErrorKind::kTooLarge, "file_too_large", "{} bytes{}, the limit is {}",
                         size, size > file.size ? " and more" : "", max_bytes));
  };
  if (file.size > max_bytes) return too_large(file.size);
  // The size is only a hint: the file may be growing, and those in /proc say 0.
  std::string text(static_cast<std::size_t>(file.size), '\0');
  std::size_t filled = 0;
  while (true) {
    if (filled == text.size()) text.resize(std::min(max_bytes + 1, text.size() + 4096));
    const ssize_t count = ::read(file.descriptor.get(), text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return at(path, fail(ErrorKind::kIo, "io", "cannot be read: {}", reason(errno)));
    filled += static_cast<std::size_t>(count);
    if (count == 0) break;
    if (filled > max_bytes) return too_large(filled);
  }
  text.resize(filled);
  return text;
}

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return at(path, fail(ErrorKind::kUsage, "not_a_regular_file",
                         "cannot be replaced by a file: it is {}", kind_of(status.st_mode)));
  if (!path.has_filename())
    return at(path, fail(ErrorKind::kUsage, "not_a_regular_file", "expected the name of a file"));

  AtomicFile file;
  file.path_ = path;
  while (file.descriptor_ < 0) {
    std::uint64_t salt = 0;
    if (::getrandom(&salt, sizeof salt, 0) != static_cast<ssize_t>(sizeof salt))
      return write_failed(path, "no random name to be had", errno);
    // Short, so that a name of the greatest length still has a temporary one.
    file.temporary_ = folder_of(path) / fmt::format(".bantam-{:016x}.tmp", salt);
    file.descriptor_ =
        ::open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file.descriptor_ < 0 && errno != EEXIST && errno != EINTR) {
      if (errno == ENOENT || errno == ENOTDIR)
        return at(path, fail(ErrorKind::kCannotCreate, "folder_not_found", "there is no folder {}",
                             quoted(folder_of(path).string())));
      return write_failed(path, "cannot be created", errno);
    }
  }
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      buffer_(std::move(other.buffer_)),
      written_(other.written_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      failed_(other.failed_) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this == &other) return *this;
  discard();
  path_ = std::move(other.path_);
  temporary_ = std::move(other.temporary_);
  buffer_ = std::move(other.buffer_);
  written_ = other.written_;
  descriptor_ = std::exchange(other.descriptor_, -1);
  failed_ = other.failed_;
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (descriptor_ < 0) return;
  ::close(std::exchange(descriptor_, -1));
  ::unlink(temporary_.c_str());
}

Result<void> AtomicFile::reserve(std::uint64_t bytes) {
  CHECK(descriptor_ >= 0, "reserve after commit");
  if (bytes == 0) return {};
  if (::fallocate(descriptor_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) == 0) return {};
  // Where the file system cannot reserve, the writes themselves find out.
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
    return write_failed(path_, fmt::format("cannot reserve {} bytes", bytes), errno);
  return {};
}

Result<void> AtomicFile::flush() {
  const auto pending = std::as_bytes(std::span(buffer_));
  TRY(write_all(descriptor_, pending, path_));
  buffer_.clear();
  return {};
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  CHECK(descriptor_ >= 0, "write after commit");
  if (failed_) return at(path_, fail(ErrorKind::kCannotCreate, "io", "an earlier write failed"));
  failed_ = true;  // until this one has gone through
  if (buffer_.size() + bytes.size() > kWriteBuffer) TRY(flush());
  if (bytes.size() >= kWriteBuffer) {
    TRY(write_all(descriptor_, bytes, path_));
  } else {
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  written_ += bytes.size();
  failed_ = false;
  return {};
}

Result<void> AtomicFile::commit() {
  CHECK(descriptor_ >= 0, "commit twice");
  if (failed_) return at(path_, fail(ErrorKind::kCannotCreate, "io", "an earlier write failed"));
  failed_ = true;
  TRY(flush());
  // A failed fsync is final: the kernel may have dropped the pages, a second call would lie.
  if (::fsync(descriptor_) != 0) return write_failed(path_, "cannot be synced to disk", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    return write_failed(path_, "cannot be put in place", errno);
  ::close(std::exchange(descriptor_, -1));
  return sync_folder(folder_of(path_), path_);
}

Result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return write_failed(to, "cannot be put in place", errno);
  return sync_folder(folder_of(to), to);
}

Result<void> write_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file = TRY(AtomicFile::create(path));
  TRY(file.write(text));
  return file.commit();
}

}  // namespace bantam
