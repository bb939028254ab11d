// What tests of runs share: a tiny random model in a folder of the test's own, and rows of two
// classes.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "tune/tune.h"

namespace bantam {

namespace fs = std::filesystem;

class Tune : public testing::Test {
 protected:
  Tune();
  ~Tune() override { fs::remove_all(root_); }

  // Of a run in the folder `name` that learns the classes well.
  TuneOptions options(std::string_view name) const;

  fs::path root_;
};

}  // namespace bantam
