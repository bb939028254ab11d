// Trainer, file and server are the same, and what breaks one of them is found and named.
#include "tune/parity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "formats/gguf_writer.h"
#include "support/random_model.h"
#include "tune/publish.h"
#include "tune/text_model.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr std::string_view kPlain =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}";
// Asks for thinking that it does not show.
constexpr std::string_view kThinking =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]<think>{% endif %}";
constexpr std::string_view kPolite =
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}";

class Parity : public testing::Test {
 protected:
  Parity()
      : root_(fs::path(testing::TempDir()) /
              fmt::format("bantam-parity-{}-{}", ::getpid(),
                          testing::UnitTest::GetInstance()->current_test_info()->name())),
        pool_(1),
        nothing_(Parameters::create({}).value()) {
    fs::remove_all(root_);
    fs::create_directories(root_);
    rows_ =
        parse_rows(
            R"({"messages":[{"role":"user","content":"What is up?"},{"role":"assistant","content":"Nothing."},{"role":"user","content":"Really?"},{"role":"assistant","content":"No é."}]}
{"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"[assistant] hi"},{"role":"assistant","content":"Hello!"}]})",
            RowFormat::kJson, "rows", {})
            .value()
            .rows;
  }
  ~Parity() override { fs::remove_all(root_); }

  // A model file with a template; `change` may spoil it.
  fs::path write(std::string_view name, std::string_view chat_template,
                 const std::function<void(WeightFile&)>& change = {}) {
    const auto file = support::make_random_model({.dtype = DType::kQ8_0});
    file->metadata.set_string("tokenizer.chat_template", std::string(chat_template));
    if (change) change(*file);
    CHECK(write_gguf(root_ / name, *file).has_value());
    return root_ / name;
  }

  template <typename Use>
  auto with_trainer(const fs::path& path, Use use) {
    const TextModel model = open_text_model({.model = path}).value();
    const RowRenderer renderer =
        RowRenderer::create(*model.tokenizer, model.template_or_null(), render_).value();
    Learner learner(*model.decoder, *nothing_, *choose_kernels("").value(), pool_, {});
    return use(ParityTrainer{*model.tokenizer, renderer, learner});
  }

  ParityReport compare(const fs::path& trained, const fs::path& exported, double tolerance = 0) {
    return with_trainer(trained, [&](const ParityTrainer& trainer) {
      LocalChatOptions options{.engine = {.threads = 1}};
      options.now = trainer.renderer.now();
      const auto file = LocalChat::open(exported, options).value();
      const ParityExport side{.file = *file, .server = *file};
      return check_parity(rows_, trainer, side, render_, {.tolerance = tolerance}).value();
    });
  }

  fs::path root_;
  ThreadPool pool_;
  std::unique_ptr<Parameters> nothing_;
  std::vector<Row> rows_;
  RenderOptions render_ = {.context = 256};
};

void turn_a_bit(WeightFile& file) {
  // The matrix is a copy of its own: the lowest bit of one quantized weight in the last layer.
  auto* const bytes = const_cast<std::byte*>(file.find("blk.1.ffn_down.weight")->data);
  bytes[100] ^= std::byte{1};
}

TEST_F(Parity, TheSameFileIsTheSameToTheBit) {
  const fs::path file = write("one.gguf", kPlain);
  const ParityReport report = compare(file, file);
  EXPECT_TRUE(report.same()) << report.to_text();
  EXPECT_EQ(report.rows, 2);
  EXPECT_EQ(report.prompts, 2);
  EXPECT_EQ(report.other_prompts, 0);
  EXPECT_GT(report.tokens, 60);
  EXPECT_EQ(report.largest, 0);
  EXPECT_TRUE(require_parity(report).has_value());
}

TEST_F(Parity, AnotherTemplateIsFoundAndNamed) {
  const ParityReport report = compare(write("one.gguf", kPlain), write("two.gguf", kPolite));
  EXPECT_EQ(report.different, 2);
  ASSERT_TRUE(report.first.has_value());
  EXPECT_EQ(report.first->line, 1);
  EXPECT_EQ(report.first->what, "ids");
  EXPECT_EQ(report.first->position, 5) << "behind [user], which is five ids";
  EXPECT_THAT(report.first->expected, HasSubstr("\"W\""));
  EXPECT_THAT(report.first->found, HasSubstr("\" \""));
  const auto refused = require_parity(report);
  EXPECT_EQ(refused.error().code, "parity_failed");
  EXPECT_EQ(refused.error().kind, ErrorKind::kMalformed);
  EXPECT_THAT(refused.error().message, HasSubstr("line 1, ids at position 5"));
}

TEST_F(Parity, OneBitOfAWeightIsFoundUnlessItIsTolerated) {
  const fs::path one = write("one.gguf", kPlain), two = write("two.gguf", kPlain, turn_a_bit);
  const ParityReport report = compare(one, two);
  EXPECT_GT(report.different, 0);
  ASSERT_TRUE(report.first.has_value());
  EXPECT_EQ(report.first->what, "logprobs");
  EXPECT_GT(report.largest, 0);
  const ParityReport tolerant = compare(one, two, 2 * report.largest);
  EXPECT_TRUE(tolerant.same());
  EXPECT_EQ(tolerant.largest, report.largest);
  EXPECT_THAT(tolerant.to_text(), HasSubstr("nats apart"));
}

TEST_F(Parity, PromptsThatWereNotLearnedFromAreCountedNotCondemned) {
  const fs::path file = write("one.gguf", kThinking);
  const ParityReport report = compare(file, file);
  EXPECT_TRUE(report.same());
  EXPECT_EQ(report.prompts, 0);
  EXPECT_EQ(report.other_prompts, 2);
  EXPECT_THAT(report.to_text(), HasSubstr("was not learned from"));
  // A server that asks otherwise than the trainer saw is another matter.
  const ParityReport other = compare(write("two.gguf", kPlain), file);
  ASSERT_TRUE(other.first.has_value());
  EXPECT_EQ(other.first->what, "prompt");
}

TEST_F(Parity, RowsThatOneSideCannotRenderAreDifferent) {
  const ParityReport report =
      compare(write("one.gguf", kPlain),
              write("two.gguf", std::string("{% if messages[0].role == 'system' %}"
                                            "{{ raise_exception('no system') }}{% endif %}") +
                                    std::string(kPlain)));
  EXPECT_EQ(report.different, 1);
  EXPECT_EQ(report.first->line, 2);
  EXPECT_EQ(report.first->what, "template");
  EXPECT_THAT(report.first->found, HasSubstr("no system"));
  render_.too_long = TooLong::kDrop;
  render_.context = 40;
  const fs::path file = write("one.gguf", kPlain);
  EXPECT_EQ(compare(file, file).left_out, 2);
}

TEST_F(Parity, NothingIsPublishedThatIsNotWhatWasTrained) {
  const fs::path trained = write("trained.gguf", kPlain), out = root_ / "out.gguf";
  ASSERT_TRUE(write_file(out, "as it was").has_value());
  with_trainer(trained, [&](const ParityTrainer& trainer) {
    const Publication publication{
        .out = out, .base = {}, .engine = {.threads = 1}, .render = render_, .rows = rows_};
    const auto copy_of = [](const fs::path& from) {
      return [from](const fs::path& to) -> Result<void> {
        fs::copy_file(from, to, fs::copy_options::overwrite_existing);
        return {};
      };
    };
    for (const fs::path& spoiled :
         {write("weights.gguf", kPlain, turn_a_bit), write("template.gguf", kPolite)}) {
      const auto refused = publish(publication, trainer, copy_of(spoiled));
      ASSERT_FALSE(refused.has_value()) << spoiled;
      EXPECT_EQ(refused.error().code, "parity_failed");
      EXPECT_THAT(refused.error().where, HasSubstr("unproven-out.gguf"));
      EXPECT_EQ(read_file(out, 100).value(), "as it was");
    }
    const auto done = publish(publication, trainer, copy_of(trained));
    EXPECT_TRUE(done.has_value()) << done.error().to_string();
    EXPECT_EQ(read_file(out, 1 << 24).value(), read_file(trained, 1 << 24).value());
    EXPECT_FALSE(fs::exists(root_ / "unproven-out.gguf"));
  });
}

}  // namespace
}  // namespace bantam
