// A file under another name, so that it survives a crash.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace bantam {

// `from` becomes `to`, replacing what was there, in one step that is on disk when this returns
// (file.cpp). Both are on one file system. Errors are kCannotCreate and kPermission.
Result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace bantam
