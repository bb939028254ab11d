#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/json_events.h"

namespace bantam {
namespace {

using testing::HasSubstr;

Error error_of(std::string_view text, const JsonLimits& limits = {}) {
  const auto result = parse_json(text, limits);
  EXPECT_FALSE(result) << text.substr(0, 200);
  return result ? Error{} : result.error();
}

// Writes the events down, and objects to one word.
class Recorder : public JsonEvents {
 public:
  Result<void> begin_object() override { return add("{"); }
  Result<void> end_object() override { return add("}"); }
  Result<void> begin_array() override { return add("["); }
  Result<void> end_array() override { return add("]"); }
  Result<void> key(std::string_view name) override { return add(fmt::format("{}:", name)); }
  Result<void> string(std::string_view text) override {
    if (text == "bad") return fail(ErrorKind::kUnsupported, "bad_word", "no bad words");
    return add(text);
  }
  Result<void> integer(std::int64_t value) override { return add(fmt::to_string(value)); }
  Result<void> natural(std::uint64_t value) override { return add(fmt::to_string(value)); }
  Result<void> real(double value) override { return add(fmt::format("{}", value)); }
  Result<void> boolean(bool value) override { return add(value ? "T" : "F"); }
  Result<void> null() override { return add("N"); }

  std::string events;

 private:
  Result<void> add(std::string_view word) {
    events += word;
    events += ' ';
    return {};
  }
};

TEST(ParseJson, ReadsEveryKindOfValueInOrder) {
  const auto value =
      parse_json(R"( {"b":[null,true,false,-7,18446744073709551615,1.5,"x\n"],"a":{}} )");
  ASSERT_TRUE(value) << value.error().to_string();
  EXPECT_EQ(write_json(*value),
            R"({"b":[null,true,false,-7,18446744073709551615,1.5,"x\n"],"a":{}})");
}

TEST(ParseJson, DoublesAreTheNearestToTheirDigits) {
  std::mt19937_64 bits(1);
  int tried = 0;
  while (tried < 20000) {
    const double value = std::bit_cast<double>(bits());
    if (!std::isfinite(value)) continue;
    ++tried;
    char text[64];
    std::snprintf(text, sizeof text, "%.17g", value);
    // "5e3" style text without a point or exponent would be an integer.
    if (std::strpbrk(text, ".e") == nullptr) continue;
    const auto parsed = parse_json(text);
    ASSERT_TRUE(parsed) << text;
    ASSERT_TRUE(parsed->is_double()) << text;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(parsed->get_double()),
              std::bit_cast<std::uint64_t>(value))
        << text;
  }
}

TEST(ParseJson, NumbersAtTheEdges) {
  EXPECT_EQ(parse_json("9223372036854775807")->get_int64(),
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parse_json("-9223372036854775808")->get_int64(),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse_json("9223372036854775808")->get_uint64(), 9223372036854775808u);
  EXPECT_EQ(parse_json("18446744073709551616")->get_double(), 18446744073709551616.0);
  EXPECT_EQ(parse_json("5e-324")->get_double(), 5e-324);
  EXPECT_EQ(parse_json("1e-400")->get_double(), 0.0);
  EXPECT_TRUE(std::signbit(parse_json("-1e-400")->get_double()));
  EXPECT_EQ(parse_json("1.7976931348623157e308")->get_double(), std::numeric_limits<double>::max());
  // 800 digits: the tail decides the rounding.
  EXPECT_EQ(parse_json("9007199254740993" + std::string(400, '0') + "e-400")->get_double(),
            9007199254740992.0);
  EXPECT_EQ(parse_json("9007199254740993" + std::string(399, '0') + "1e-400")->get_double(),
            9007199254740994.0);
  for (const char* huge : {"1e309", "-1e400", "1.8e308", "1e99999999999"}) {
    const Error error = error_of(huge);
    EXPECT_EQ(error.code, "invalid_json") << huge;
    EXPECT_THAT(error.message, HasSubstr("range")) << huge;
  }
}

TEST(ParseJson, RefusesDuplicateNamesAtAnyDepth) {
  const Error error = error_of("{\n \"a\": [ {\"x\":1,\n  \"y\":{}, \"\\u0078\":2} ] }");
  EXPECT_EQ(error.code, "duplicate_key");
  EXPECT_EQ(error.message, "the member name \"x\" appears twice");
  EXPECT_THAT(error.where, HasSubstr("line 3,"));
  // Inside a value that is itself lost to a duplicate.
  EXPECT_THAT(error_of(R"({"a":{"k":1,"k":2},"a":0})").message, HasSubstr("\"k\""));
  EXPECT_TRUE(parse_json(R"([{"a":1},{"a":1},{"b":{"a":1}}])"));
}

TEST(ParseJson, NamesThePlace) {
  EXPECT_EQ(error_of("[1,\n2,\n  oops]").where, "line 3, column 3 (byte 9)");
  EXPECT_EQ(error_of("[1] x").where, "line 1, column 5 (byte 4)");
  EXPECT_THAT(error_of("[1] x").message, HasSubstr("found \"x\""));
  EXPECT_EQ(error_of("{\"a\":").where, "line 1, column 6 (byte 5)");
}

TEST(ParseJson, RefusesWhatIsNotStrictJson) {
  for (const char* text : {"",
                           "  ",
                           "nul",
                           "[1,]",
                           "{,}",
                           "{\"a\"}",
                           "{a:1}",
                           "'a'",
                           "[1 2]",
                           "01",
                           "+1",
                           ".5",
                           "1.",
                           "1e",
                           "NaN",
                           "Infinity",
                           "-",
                           "\"a",
                           "\"\t\"",
                           "// c\n1",
                           "/**/1",
                           "\"\\x\"",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\u12g4\"",
                           "\xEF\xBB\xBF{}",
                           "\"\xff\"",
                           "\"\xc0\x80\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf4\x90\x80\x80\"",
                           "{\"\xff\":1}",
                           "]",
                           "}"}) {
    const Error error = error_of(text);
    EXPECT_EQ(error.code, "invalid_json") << text;
    EXPECT_EQ(error.kind, ErrorKind::kMalformed) << text;
    EXPECT_THAT(error.where, HasSubstr("line ")) << text;
  }
  EXPECT_THAT(error_of("\xEF\xBB\xBF{}").message, HasSubstr("byte-order mark"));
  EXPECT_THAT(error_of("[\"ok\", \"\xff\"]").message, HasSubstr("UTF-8"));
  EXPECT_THAT(error_of("[\"ok\", \"\xff\"]").where, HasSubstr("(byte 8)"));
}

TEST(ParseJson, EveryTruncationIsAnError) {
  const std::string text = R"({"a":[1,-2.5e+10,"\ud83d\ude00é",null,true],"b":{"c":false}})";
  ASSERT_TRUE(parse_json(text));
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(parse_json(std::string_view(text).substr(0, size))) << size;
}

TEST(ParseJson, LimitsHoldOnBothSides) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_json(nested(64)));
  const Error deep = error_of(nested(65));
  EXPECT_EQ(deep.code, "json_depth");
  EXPECT_EQ(deep.kind, ErrorKind::kTooLarge);
  EXPECT_EQ(error_of(std::string(1'000'000, '[')).code, "json_depth");
  EXPECT_EQ(error_of(nested(1001), {.max_depth = 1'000'000}).code, "json_depth");
  EXPECT_TRUE(parse_json("[1,2]", {.max_bytes = 5}));
  EXPECT_EQ(error_of("[1,2]", {.max_bytes = 4}).code, "json_too_large");
  for (const char* text : {R"(["abc"])", R"({"abc":1})", R"(["a\u0062c"])"}) {
    EXPECT_TRUE(parse_json(text, {.max_string_bytes = 3})) << text;
    EXPECT_EQ(error_of(text, {.max_string_bytes = 2}).code, "json_too_large") << text;
    Recorder recorder;
    EXPECT_TRUE(parse_json_events(text, recorder, {.max_string_bytes = 3})) << text;
    EXPECT_EQ(parse_json_events(text, recorder, {.max_string_bytes = 2}).error().code,
              "json_too_large");
  }
}

TEST(ParseJson, MessagesStayShort) {
  EXPECT_LT(error_of("[" + std::string(100'000, 'x')).to_string().size(), 1024u);
  const std::string name(100'000, 'k');
  EXPECT_LT(error_of("{\"" + name + "\":1,\"" + name + "\":1}").to_string().size(), 1024u);
}

TEST(ParseJsonEvents, ComeInOrder) {
  Recorder recorder;
  const auto result = parse_json_events(
      R"({"a":[1,-2,18446744073709551615,0.1,"x\ty",""],"a":{"b\n":null},"c":[true,false]})",
      recorder);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(recorder.events,
            "{ a: [ 1 -2 18446744073709551615 0.1 x\ty  ] a: { b\n: N } c: [ T F ] } ");
}

TEST(ParseJsonEvents, ErrorsOfTheReceiverAndOfTheTextCarryThePlace) {
  Recorder recorder;
  const auto objection = parse_json_events("[1,\n  \"bad\", 2]", recorder);
  ASSERT_FALSE(objection);
  EXPECT_EQ(objection.error().code, "bad_word");
  EXPECT_THAT(objection.error().where, HasSubstr("line 2"));
  EXPECT_EQ(recorder.events, "[ 1 ");
  EXPECT_EQ(parse_json_events("[1,]", recorder).error().code, "invalid_json");
  EXPECT_EQ(parse_json_events("[1] 2", recorder).error().code, "invalid_json");
  EXPECT_EQ(parse_json_events("[1e999]", recorder).error().code, "invalid_json");
  EXPECT_EQ(parse_json_events(std::string(100, '['), recorder).error().code, "json_depth");
  EXPECT_EQ(parse_json_events("[1]", recorder, {.max_bytes = 2}).error().code, "json_too_large");
}

TEST(WriteJson, DoublesLookLikePythons) {
  const std::pair<double, const char*> cases[] = {{1.0, "1.0"},
                                                  {-0.0, "-0.0"},
                                                  {0.1, "0.1"},
                                                  {100.0, "100.0"},
                                                  {1e15, "1000000000000000.0"},
                                                  {1e16, "1e+16"},
                                                  {123456789012345680.0, "1.2345678901234568e+17"},
                                                  {0.0001, "0.0001"},
                                                  {0.00001, "1e-05"},
                                                  {1.5e300, "1.5e+300"},
                                                  {5e-324, "5e-324"},
                                                  {2.5e-10, "2.5e-10"},
                                                  {1e22, "1e+22"},
                                                  {0.30000000000000004, "0.30000000000000004"}};
  for (const auto& [value, expected] : cases) {
    std::string out;
    append_json_double(out, value);
    EXPECT_EQ(out, expected);
  }
  EXPECT_EQ(write_json(Json(std::nan(""))), "null");
  EXPECT_EQ(write_json(Json(std::numeric_limits<double>::infinity())), "null");
}

TEST(WriteJson, StringsAreEscapedLikePythons) {
  const Json text("\"\\/\b\f\n\r\t\x01\x7f é😀");
  EXPECT_EQ(write_json(text), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f é😀\"");
  EXPECT_EQ(write_json(text, {.ascii = true}),
            "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u007f \\u00e9\\ud83d\\ude00\"");
}

TEST(WriteJson, NeverEmitsInvalidUtf8) {
  EXPECT_EQ(write_json(Json("a\xff"
                            "b\xc3")),
            "\"a\uFFFDb\uFFFD\"");
}

TEST(WriteJson, StylesMatchPythonsJsonDumps) {
  const Json value = *parse_json(R"({"b":[1,{"c":[]}],"a":{}})");
  EXPECT_EQ(write_json(value, {.item_separator = ", ", .key_separator = ": "}),
            R"({"b": [1, {"c": []}], "a": {}})");
  EXPECT_EQ(write_json(value, {.indent = 2, .sort_keys = true, .key_separator = ": "}),
            "{\n  \"a\": {},\n  \"b\": [\n    1,\n    {\n      \"c\": []\n    }\n  ]\n}");
}

TEST(WriteJson, ReadsBackTheSame) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    JsonArray array;
    for (int i = 0; i < 8; ++i) {
      const double real = std::bit_cast<double>(random());
      if (std::isfinite(real)) array.emplace_back(real);
      array.emplace_back(static_cast<std::int64_t>(random()));
      std::string text;
      for (int c = 0; c < 6; ++c) text += static_cast<char>(random() % 128);
      array.emplace_back(JsonObject{{text, round}});
    }
    const auto back = parse_json(write_json(array, {.ascii = round % 2 == 0}));
    ASSERT_TRUE(back) << back.error().to_string();
    // A uint64 that fits int64 comes back as int64; all of ours do.
    EXPECT_EQ(*back, Json(array));
  }
}

TEST(WriteJson, DepthCostsNoStack) {
  Json value = JsonArray{};
  for (int i = 0; i < 900; ++i) value = JsonArray{std::move(value)};
  EXPECT_EQ(write_json(value).size(), 2u * 901);
}

TEST(JsonReader, GivesMembersByTypeAndRange) {
  const Json value = *parse_json(
      R"({"i":3,"f":2.5,"whole":3.0,"s":"x","b":true,"n":null,"big":18446744073709551615,"a":[1],"o":{}})");
  JsonReader reader(value);
  EXPECT_EQ(*reader.integer("i", 0, 0, 10), 3);
  EXPECT_EQ(*reader.integer("whole", 0, 0, 10), 3);
  EXPECT_EQ(*reader.number("i", 0, 0, 10), 3.0);
  EXPECT_EQ(*reader.number("f", 0, 0, 10), 2.5);
  EXPECT_EQ(*reader.number("absent", 7.5, 0, 1), 7.5);
  EXPECT_EQ(*reader.integer("n", 9, 0, 1), 9);
  EXPECT_EQ(*reader.string("s", ""), "x");
  EXPECT_TRUE(*reader.boolean("b", false));
  EXPECT_EQ((*reader.array("a"))->size(), 1u);
  EXPECT_EQ(*reader.array("absent"), nullptr);
  EXPECT_NE(*reader.object("o"), nullptr);

  EXPECT_THAT(reader.integer("f", 0, 0, 10).error().message, HasSubstr("2.5"));
  EXPECT_THAT(reader.integer("i", 0, 4, 10).error().message, HasSubstr("from 4 to 10, found 3"));
  EXPECT_FALSE(reader.integer("big", 0, 0, std::numeric_limits<std::int64_t>::max()));
  EXPECT_THAT(reader.integer("s", 0, 0, 1).error().message,
              HasSubstr("expected integer, found string"));
  EXPECT_EQ(reader.number("s", 0, 0, 1).error().where, "/s");
  EXPECT_FALSE(reader.number("f", 0, std::nan(""), 3));
  EXPECT_FALSE(reader.required_string("n"));
  EXPECT_EQ(reader.required_integer("zz/~", 0, 1).error().where, "/zz~1~0");
  EXPECT_THAT(reader.array("o").error().message, HasSubstr("expected array, found object"));
}

TEST(JsonReader, KnowsWhatNobodyAskedFor) {
  const Json value = *parse_json(R"({"a":1,"b":2,"c":3})");
  JsonReader reader(value);
  (void)reader.find("b");
  EXPECT_THAT(reader.unread(), testing::ElementsAre("a", "c"));
}

TEST(JsonReader, ANonObjectFailsThroughEveryGetter) {
  const Json value = *parse_json("[1]");
  JsonReader reader(value, "/messages/0");
  const auto result = reader.string("role", "user");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().where, "/messages/0");
  EXPECT_EQ(result.error().message, "expected object, found array");
  EXPECT_EQ(reader.find("role"), nullptr);
  EXPECT_TRUE(reader.unread().empty());
}

}  // namespace
}  // namespace bantam
