// The interpreter against Python's: our own recorded cases, and the templates of real models.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "chat/jinja/template.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxFile = 64u << 20;

std::string read(const std::filesystem::path& path) {
  auto text = read_file(path, kMaxFile);
  EXPECT_TRUE(text) << path;
  return text ? *text : std::string();
}

Json parse(std::string_view text) {
  auto json = parse_json(text);
  EXPECT_TRUE(json) << text;
  return json ? *json : Json();
}

std::vector<Json> read_lines(const std::filesystem::path& path) {
  std::vector<Json> rows;
  const std::string text = read(path);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) rows.push_back(parse(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  return rows;
}

std::string string_of(const Json& json) { return std::string(json.as_string()); }

// What the expectations call now.
std::tm recorded_time() {
  std::tm time{};
  time.tm_year = 125;
  time.tm_mon = 2;
  time.tm_mday = 7;
  time.tm_hour = 9;
  time.tm_min = 5;
  time.tm_wday = 5;
  time.tm_yday = 65;
  return time;
}

Result<std::string> render(std::string_view text, const Json& inputs) {
  const auto parsed = TRY(jinja::Template::parse(text));
  jinja::Template::Inputs variables;
  for (const auto& [key, value] : inputs.as_object())
    variables.emplace_back(std::string(key), TRY(jinja::from_json(value, true, "")));
  return TRY(parsed->render(variables, {}, recorded_time()))->bytes;
}

// `expected` null: an error.
void expect_rendering(std::string_view name, std::string_view text, const Json& inputs,
                      const Json* expected) {
  const Result<std::string> output = render(text, inputs);
  if (expected == nullptr || expected->is_null()) {
    EXPECT_FALSE(output) << name << "\n" << text << "\n" << *output;
  } else if (!output) {
    ADD_FAILURE() << name << "\n" << text << "\n" << output.error().to_string();
  } else {
    EXPECT_EQ(*output, string_of(*expected)) << name << "\n" << text;
  }
}

TEST(JinjaCases, RecordedCasesRenderAsInPython) {
  const std::vector<Json> rows =
      read_lines(std::filesystem::path(BANTAM_SOURCE_DIR) / "src/chat/testdata/jinja_cases.jsonl");
  ASSERT_GT(rows.size(), 1000u);
  const Json& inputs = rows[0].at("inputs");
  for (std::size_t i = 1; i < rows.size(); ++i)
    expect_rendering("line", string_of(rows[i].at("t")), inputs, &rows[i].at("o"));
}

class SharedTemplates : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(folder_)) GTEST_SKIP() << "needs shared data: " << folder_;
  }
  const std::filesystem::path folder_ = std::filesystem::path(BANTAM_SHARED_DATA) / "templates";
};

TEST_F(SharedTemplates, TemplatesOfModelsRenderAsInPython) {
  std::size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "expected")) {
    const Json document = parse(read(entry.path()));
    const std::string name = string_of(document.at("template"));
    const std::string text = read(folder_ / "jinja" / name);
    for (const Json& row : document.at("cases").as_array()) {
      expect_rendering(name + " " + string_of(row.at("name")), text, row.at("inputs"),
                       row.as_object().if_contains("output"));
      ++cases;
    }
  }
  EXPECT_GE(cases, 400u);
}

TEST_F(SharedTemplates, ConformanceSetHolds) {
  const std::vector<Json> rows = read_lines(folder_ / "jinja-units.jsonl");
  EXPECT_GE(rows.size(), 200u);
  for (const Json& row : rows)
    expect_rendering(string_of(row.at("name")), string_of(row.at("template")), row.at("vars"),
                     &row.at("expected"));
}

TEST_F(SharedTemplates, TableOfTemplatesRendersAsInPython) {
  const std::vector<Json> rows = read_lines(folder_ / "chat-template-table.jsonl");
  EXPECT_GE(rows.size(), 20u);
  for (const Json& row : rows)
    expect_rendering(string_of(row.at("name")), string_of(row.at("template")), row,
                     row.as_object().if_contains("expected_python"));
}

TEST_F(SharedTemplates, CommonTemplatesParseAndRunOnAPlainQuestion) {
  const Json inputs = parse(
      R"({"messages":[{"role":"user","content":"Hello"}],"bos_token":"<s>","eos_token":"</s>"})");
  const std::vector<Json> rows = read_lines(folder_ / "hf-templates.jsonl");
  EXPECT_GE(rows.size(), 30u);
  for (const Json& row : rows) {
    for (const auto& [name, text] : row.as_object()) {
      const Result<std::string> output = render(string_of(text), inputs);
      ASSERT_TRUE(output) << std::string(name) << output.error().to_string();
      EXPECT_NE(output->find("Hello"), std::string::npos) << std::string(name);
    }
  }
}

}  // namespace
}  // namespace bantam
