#include "cli/model_finder.h"

#include <gtest/gtest.h>

#include <fstream>

namespace bantam {
namespace {

namespace fs = std::filesystem;

class ModelFinderTest : public ::testing::Test {
 protected:
  ModelFinderTest() {
    std::string pattern = (fs::temp_directory_path() / "bantam_models_XXXXXX").string();
    root = mkdtemp(pattern.data());
    first = root / "first";
    second = root / "second";
    fs::create_directories(first);
    fs::create_directories(second);
  }
  ~ModelFinderTest() override { fs::remove_all(root); }

  static void make_file(const fs::path& path, std::size_t bytes) {
    std::ofstream(path) << std::string(bytes, 'x');
  }
  std::vector<fs::path> folders() const { return {first, second}; }
  std::string resolved(std::string_view name) const {
    const Result<fs::path> path = resolve_model(name, folders());
    return path ? path->filename().string() : path.error().code;
  }

  fs::path root, first, second;
};

TEST_F(ModelFinderTest, NamesFilesAndFolders) {
  make_file(first / "seed-Q8_0.gguf", 10);
  make_file(first / "Llama-3.2-1B-Q4_K_M.gguf", 20);
  make_file(first / "plain.gguf", 30);
  make_file(first / "half-done.gguf", 40);
  make_file(first / "notes.txt", 50);
  fs::create_directories(first / "tiny-chat");
  make_file(first / "tiny-chat/config.json", 2);
  make_file(first / "tiny-chat/model.safetensors", 7);
  fs::create_directories(first / "empty");

  const std::vector<FoundModel> models = find_models(folders());
  ASSERT_EQ(models.size(), 5u);
  EXPECT_EQ(models[0].name, "Llama-3.2-1B:q4_k_m");
  EXPECT_EQ(models[1].name, "half-done");
  EXPECT_EQ(models[2].name, "plain");
  EXPECT_EQ(models[3].name, "seed:q8_0");
  EXPECT_EQ(models[3].bytes, 10u);
  EXPECT_EQ(models[4].name, "tiny-chat");
  EXPECT_EQ(models[4].bytes, 7u);
  EXPECT_TRUE(models[4].is_folder);
}

TEST_F(ModelFinderTest, FindsAdaptersAfterAColon) {
  make_file(first / "seed-Q8_0.gguf", 1);
  make_file(first / "tone.gguf", 1);
  make_file(second / "a:b.gguf", 1);
  fs::create_directories(second / "style");
  make_file(second / "style/adapter_config.json", 2);
  const auto choice = [&](std::string_view name) -> std::pair<fs::path, fs::path> {
    const auto found = resolve_model_choice(name, folders());
    if (!found) return {found.error().code, {}};
    return {found->model, found->adapter};
  };
  const fs::path seed = first / "seed-Q8_0.gguf";
  using Found = std::pair<fs::path, fs::path>;
  EXPECT_EQ(choice("seed:q8_0"), Found(seed, ""));
  EXPECT_EQ(choice("seed:tone"), Found(seed, first / "tone.gguf"));
  EXPECT_EQ(choice("seed:q8_0:style"), Found(seed, second / "style"));
  EXPECT_EQ(choice(seed.string() + ":" + (second / "a:b.gguf").string()),
            Found(seed, second / "a:b.gguf"));
  EXPECT_EQ(choice((second / "a:b.gguf").string()), Found(second / "a:b.gguf", ""));
  EXPECT_EQ(choice("seed:none"), Found("model_not_found", ""));
  EXPECT_EQ(choice("none:tone"), Found("model_not_found", ""));
}

TEST_F(ModelFinderTest, PrefersTheFirstFolder) {
  make_file(first / "seed.gguf", 1);
  make_file(second / "seed.gguf", 2);
  const std::vector<FoundModel> models = find_models(folders());
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models[0].bytes, 1u);
}

TEST_F(ModelFinderTest, ResolvesNamesWithAndWithoutTag) {
  make_file(first / "seed-F16.gguf", 1);
  make_file(first / "seed-Q8_0.gguf", 1);
  make_file(second / "other-Q4_K.gguf", 1);
  EXPECT_EQ(resolved("seed:f16"), "seed-F16.gguf");
  EXPECT_EQ(resolved("SEED:F16"), "seed-F16.gguf");
  EXPECT_EQ(resolved("seed"), "seed-Q8_0.gguf");
  EXPECT_EQ(resolved("other"), "other-Q4_K.gguf");
}

TEST_F(ModelFinderTest, RefusesToGuessBetweenTags) {
  make_file(first / "seed-F16.gguf", 1);
  make_file(first / "seed-Q4_K.gguf", 1);
  const Result<fs::path> path = resolve_model("seed", folders());
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, "model_ambiguous");
  EXPECT_EQ(path.error().message, "\"seed\" may be seed:f16 or seed:q4_k");
}

TEST_F(ModelFinderTest, TakesPathsAsTheyAre) {
  make_file(first / "seed-F16.gguf", 1);
  const std::string path = (first / "seed-F16.gguf").string();
  EXPECT_EQ(resolve_model(path, folders()).value(), path);
  // A missing path stays one: opening it gives the better error.
  EXPECT_EQ(resolve_model("./seed", folders()).value(), "./seed");
}

TEST_F(ModelFinderTest, ExplainsWhatItDidNotFind) {
  make_file(first / "seed-Q8_0.gguf", 1);
  const Result<fs::path> path = resolve_model("sead", folders());
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(path.error().code, "model_not_found");
  EXPECT_NE(path.error().message.find("Did you mean seed?"), std::string::npos)
      << path.error().message;
  EXPECT_NE(path.error().message.find(first.string()), std::string::npos);
  EXPECT_FALSE(resolve_model("", folders()));
}

TEST_F(ModelFinderTest, SurvivesFoldersThatAreNotThere) {
  const std::vector<fs::path> gone = {root / "gone"};
  EXPECT_TRUE(find_models(gone).empty());
  EXPECT_EQ(resolve_model("seed", gone).error().code, "model_not_found");
}

}  // namespace
}  // namespace bantam
