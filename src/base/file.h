// Files: read-only maps, whole reads, atomic writes.
//
// Only regular files are opened, without blocking on pipes and devices. Paths in errors are the
// ones the caller gave.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bantam {

// A read-only view of a whole file, mapped and shared with the page cache. Copies share the map;
// the bytes stay valid as long as one copy lives. If another process shortens the file while it is
// mapped, reading past the new end ends the program (SIGBUS), as with every map.
class MappedFile {
 public:
  // Errors: kNotFound "file_not_found", kPermission, kIo, kUsage "not_a_regular_file".
  static Result<MappedFile> open(const std::filesystem::path& path);

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::shared_ptr<const void> map_;
  std::span<const std::byte> bytes_;
  std::filesystem::path path_;
};

// The whole file as text or bytes; kTooLarge "file_too_large" over `max_bytes`.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes);

// Writes a file so that after any crash either the old or the new content is there: a temporary
// file in the same folder, fsync, rename, fsync of the folder. commit() makes it visible; a writer
// destroyed without commit, or after a failed one, removes the temporary file. A killed process
// leaves ".bantam-*.tmp" behind. A symbolic link under the final name is replaced, not followed.
// Errors: kCannotCreate "storage_full", "folder_not_found", "io"; kPermission; kUsage
// "not_a_regular_file" when the name is taken by a folder, pipe or device. After one failed call
// all later ones fail.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::filesystem::path& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();

  // Claims disk space for a file of this size now, so that a full disk is noticed before the work
  // is done and not after it.
  Result<void> reserve(std::uint64_t bytes);
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  std::uint64_t written() const { return written_; }  // bytes so far
  Result<void> commit();

 private:
  AtomicFile() = default;
  void discard();
  Result<void> flush();

  std::filesystem::path path_, temporary_;
  std::string buffer_;
  std::uint64_t written_ = 0;
  int descriptor_ = -1;
  bool failed_ = false;
};

// An AtomicFile with this content, committed.
Result<void> write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace bantam
