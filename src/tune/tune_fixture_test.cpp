#include "tune/tune_fixture.h"

#include <unistd.h>

#include "base/file.h"
#include "formats/gguf_writer.h"
#include "support/random_model.h"

namespace bantam {

Tune::Tune() {
  root_ = fs::path(testing::TempDir()) /
          fmt::format("bantam-tune-{}-{}", ::getpid(),
                      testing::UnitTest::GetInstance()->current_test_info()->name());
  fs::remove_all(root_);
  fs::create_directories(root_);
  const auto file = support::make_random_model(
      {.width = 64, .heads = 2, .kv_heads = 1, .ffn_width = 96, .dtype = DType::kQ8_0});
  CHECK(write_gguf(root_ / "base.gguf", *file).has_value());
  // The first letter is the class.
  std::string csv = "text,label\n";
  for (int i = 0; i < 60; ++i)
    csv += fmt::format("{} number {},{}\n", i % 2 == 0 ? "ab" : "yz", i, i % 2 == 0 ? "P" : "Q");
  CHECK(write_file(root_ / "rows.csv", csv).has_value());
}

TuneOptions Tune::options(std::string_view name) const {
  TuneOptions options{.model = root_ / "base.gguf",
                      .data = root_ / "rows.csv",
                      .folder = root_ / name,
                      .adapter = {.rank = 8, .alpha = 16},
                      .batches = {.tokens = 120},
                      .schedule = {.peak = 2e-2F, .warmup = -1},
                      .epochs = 4,
                      .learner = {.kv_type = DType::kF16},
                      .threads = 1,
                      .metric = Metric::kLabel};
  options.split.validation = 0.25;
  return options;
}

}  // namespace bantam
