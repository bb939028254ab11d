// The folder that a training run lives in: one process at a time, and a log of what happened.
//
//   checkpoint.safetensors   train/checkpoint.h
//   log.jsonl                one JSON object a line: {"step":1,"loss":…,…}
//   lock                     held by the process that works here
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace bantam {

// Movable; the lock goes when the object or the process does, however it ends.
class RunFolder {
 public:
  // Makes the folder where there is none and removes what a killed process left half written.
  // kTryAgain "run_locked" names the process that has it; kCannotCreate, kPermission.
  static Result<RunFolder> open(const std::filesystem::path& path);
  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder();

  std::filesystem::path checkpoint() const { return path_ / "checkpoint.safetensors"; }
  std::filesystem::path log() const { return path_ / "log.jsonl"; }

  // The log without lines of later steps than `step`, which are about to be taken again, and
  // without a last one that was cut off.
  Result<void> rewind_log(std::int64_t step) const;
  // Appends a line.
  Result<void> write_log(const JsonObject& line) const;

 private:
  RunFolder(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_ = -1;
};

// The lines of a log, as far as they are whole; none if there is no log.
Result<std::vector<Json>> read_log(const std::filesystem::path& path);

}  // namespace bantam
