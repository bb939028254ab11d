// Hostile templates: what they cost and what they cannot reach (rows T01 to T06, T10 and T14 of the
// catalogue of bad inputs).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "chat/jinja/template.h"

namespace bantam::jinja {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Result<std::string> render(std::string_view text, const Template::Inputs& inputs = {},
                           const Limits& limits = {}) {
  const auto parsed = TRY(Template::parse(text));
  return TRY(parsed->render(inputs, limits))->bytes;
}

Error error_of(std::string_view text, const Template::Inputs& inputs = {}) {
  const Result<std::string> result = render(text, inputs);
  EXPECT_FALSE(result) << text << "\n" << result->substr(0, 200);
  return result ? Error() : result.error();
}

std::string repeated(std::string_view part, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += part;
  return out;
}

TEST(JinjaLimits, SandboxEscapesReachNothing) {  // T01
  constexpr const char* kEscapes[] = {
      "{{ ().__class__.__base__.__subclasses__() }}",
      "{{ ''.__class__.__mro__[1].__subclasses__() }}",
      "{{ [].__class__.__bases__[0] }}",
      "{{ {}.__class__.__init__.__globals__ }}",
      "{{ ''['__class__']['__mro__'] }}",
      "{{ (''|attr('__class__'))|attr('__mro__')|list.x }}",
      "{{ (''|attr('__class__')).__mro__ }}",
      "{{ self.__init__.__globals__ }}",
      "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
      "{{ joiner.__init__.__globals__ }}",
      "{{ namespace.__init__.__globals__ }}",
      "{{ range.__class__.__mro__ }}",
      "{{ dict.__base__.__subclasses__ }}",
      "{{ lipsum.__globals__.os }}",
      "{{ config.items() }}",
      "{{ request.application.__globals__ }}",
      "{{ get_flashed_messages.__globals__ }}",
      "{{ url_for.__globals__ }}",
      "{{ raise_exception.__globals__.x }}",
      "{{ strftime_now.__globals__.x }}",
      "{{ ''.format.__self__.x }}",
      "{{ '{0.__class__.__init__.__globals__}'.format(x) }}",
      "{{ '{0[__class__].x}'.format('') }}",
      "{{ '{a.__class__.__mro__}'.format(a='') }}",
      "{{ '{0.__class__.__mro__}'.format_map({}) }}",
      "{{ ''.upper.__func__.x }}",
      "{{ (1).__class__.__mro__ }}",
      "{{ (1.5).__add__.__class__.x }}",
      "{{ none.__class__.__mro__ }}",
      "{{ true.__class__.__mro__ }}",
      "{% for x in [] %}{% else %}{{ x.__class__.y }}{% endfor %}",
      "{% for x in [1] %}{{ loop.__class__.__mro__ }}{% endfor %}",
      "{% macro m() %}{% endmacro %}{{ m.__globals__.x }}",
      "{% macro m() %}{{ caller.__globals__.x }}{% endmacro %}{% call m() %}{% endcall %}",
      "{% macro m() %}{% endmacro %}{{ m._func.__code__ }}",
      "{% set ns = namespace() %}{{ ns.__class__.__mro__ }}",
      "{{ [].append(1) }}",
      "{{ {}.update({'a': 1}) }}",
      "{{ {'a': 1}.pop('a') }}",
      "{{ [1].clear() }}",
      "{{ ['b', 'a'].sort() }}",
      "{{ {}.setdefault('a', 1) }}",
      "{{ ['x']|map('attr', '__class__')|map('attr', '__mro__')|first|first.x }}",
      "{{ [['x']]|map(attribute='0.__class__.__mro__.x')|list }}",
      "{{ ['x']|groupby('__class__.__mro__')|list }}",
      "{{ ['x']|sort(attribute='__class__.__mro__')|list }}",
      "{{ ['x']|sum(attribute='__class__.__mro__') }}",
      "{{ ['x']|selectattr('__class__.__mro__')|list }}",
      "{{ x.__class__ }}",
      "{{ open('/etc/passwd').read() }}",
      "{{ __import__('os').system('id') }}",
      "{{ eval('1') }}",
      "{{ exec('1') }}",
      "{{ getattr('', '__class__') }}",
      "{{ os.environ.x }}",
  };
  for (const char* escape : kEscapes) {
    const Result<std::string> result = render(escape);
    ASSERT_FALSE(result) << escape << " gave " << *result;
    EXPECT_THAT(result.error().code, StartsWith("template_")) << escape;
  }
  EXPECT_THAT(error_of("{{ ().__class__.__base__ }}").message, HasSubstr("unsafe"));
}

TEST(JinjaLimits, OtherTemplatesAreRefusedByName) {
  for (const char* tag :
       {"include 'x'", "import 'x' as y", "from 'x' import y", "extends 'x'", "autoescape true"}) {
    const Error error = error_of(fmt::format("text\n{{% {} %}}", tag));
    EXPECT_EQ(error.code, "template_unsupported");
    EXPECT_EQ(error.where, "template line 2");
    EXPECT_THAT(error.message, HasSubstr(std::string(tag).substr(0, 4)));
  }
}

TEST(JinjaLimits, EndlessWorkRunsOutOfSteps) {  // T02
  for (const char* text : {
           "{% for i in range(1000000000) %}x{% endfor %}",
           "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
           "{% for a in range(99) if not range(99999)|sum == 1 %}{% endfor %}",
           "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ "
           "m(60) }}",
           "{{ (range(100000)|list * 100)|sort|length }}",
       })
    EXPECT_EQ(error_of(text).code, "template_budget") << text;
}

TEST(JinjaLimits, StepsAreTheCallersToGive) {
  EXPECT_TRUE(render("{% for i in range(10) %}x{% endfor %}", {}, {.fuel = 100}));
  EXPECT_FALSE(render("{% for i in range(1000) %}x{% endfor %}", {}, {.fuel = 100}));
}

TEST(JinjaLimits, EndlessRecursionIsTooDeep) {  // T03
  for (const char* text : {
           "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
           "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
           "{% macro m() %}{{ caller }}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}",
           "{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}",
           "{% set ns = namespace() %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor "
           "%}",
           "{% set ns = namespace() %}{% for i in range(9999) %}{% set ns.x = {'a': ns.x} %}{% "
           "endfor %}",
       })
    EXPECT_EQ(error_of(text).code, "template_depth") << text;
}

TEST(JinjaLimits, DeepNestingIsASyntaxErrorWithoutUsingTheStack) {  // T04
  constexpr std::size_t kDepth = 100'000;
  const std::pair<const char*, const char*> kPairs[] = {
      {"(", ")"},     {"[", "]"},          {"{1:", "}"},         {"x[", "]"},
      {"x(", ")"},    {"x|default(", ")"}, {"1 if 1 else ", ""}, {"x is in(", ")"},
      {"not (", ")"}, {"-(", ")"},         {"x.y(z=", ")"},      {"1 ~ (", ")"}};
  for (const auto& [open, close] : kPairs) {
    const std::string text = "{{ " + repeated(open, kDepth) + "1" + repeated(close, kDepth) + " }}";
    EXPECT_EQ(error_of(text).code, "template_depth") << open;
  }
  for (const char* tag : {"{% if 1 %}", "{% for x in y %}", "{% set x %}", "{% filter upper %}",
                          "{% with %}", "{% macro m() %}", "{% call m() %}", "{% generation %}"})
    EXPECT_EQ(error_of(repeated(tag, kDepth)).code, "template_depth") << tag;
  EXPECT_EQ(
      error_of("{% set " + repeated("(", kDepth) + "a" + repeated(")", kDepth) + " = 1 %}").code,
      "template_depth");
}

TEST(JinjaLimits, LongIsNotDeep) {
  // Thousands of operands, filters or branches in a row are no nesting.
  constexpr std::size_t kLength = 5'000;
  EXPECT_EQ(*render("{{ 0" + repeated(" + 1", kLength) + " }}"), "5000");
  EXPECT_EQ(render("{{ ''" + repeated(" ~ 'a'", kLength) + " }}")->size(), kLength);
  EXPECT_EQ(*render("{{ 'a'" + repeated("|upper|lower", kLength) + " }}"), "a");
  EXPECT_EQ(*render("{{ 1" + repeated(" and 1", kLength) + " }}"), "1");
  EXPECT_EQ(*render("{{ " + repeated("not ", kLength) + "1 }}"), "True");
  EXPECT_EQ(*render("{{ " + repeated("- ", kLength) + "1 }}"), "1");
  EXPECT_EQ(*render("{% if 0 %}" + repeated("{% elif 0 %}", kLength) + "{% else %}x{% endif %}"),
            "x");
}

TEST(JinjaLimits, GrowthIsPaidForBeforeItHappens) {  // T05, T06
  const std::string deep_json = repeated("[", 100) + repeated("]", 100);
  for (const std::string& text : std::vector<std::string>{
           "{% set ns = namespace(x='x') %}{% for i in range(64) %}"
           "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
           "{% set ns = namespace(x='x') %}{% for i in range(64) %}"
           "{% set ns.x = ns.x + ns.x %}{% endfor %}",
           "{% set ns = namespace(x=[1]) %}{% for i in range(64) %}"
           "{% set ns.x = ns.x + ns.x %}{% endfor %}",
           "{{ 'a' * 1000000000 }}",
           "{{ 'a' * 9223372036854775807 }}",
           "{{ [1] * 1000000000 }}",
           "{{ '%1000000000d' % 1 }}",
           "{{ '%.1000000000f' % 1 }}",
           "{{ '%*d' % (1000000000, 1) }}",
           "{{ '{:1000000000}'.format(1) }}",
           "{{ '{:.1000000000f}'.format(1.0) }}",
           "{{ 'a'|center(1000000000) }}",
           "{{ 'a'.ljust(1000000000) }}",
           "{{ 'a'.zfill(1000000000) }}",
           "{{ '\\t'.expandtabs(1000000000) }}",
           "{{ 'a'|indent(1000000000, true) }}",
           "{{ [1]|tojson(indent=1000000000) }}",
           "{{ ('a' * 10000)|replace('a', 'b' * 10000) }}",
           "{{ ('a' * 10000)|replace('', 'b' * 10000) }}",
           "{{ range(10000)|join('b' * 10000) }}",
           "{{ [1]|batch(1000000000, 'x')|list }}",
           "{{ [1]|slice(1000000000)|list }}",
           // Lists that hold each other over and over are small until they are walked.
           "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}"
           "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
           "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}"
           "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
           "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"
           "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y "
           "}}",
           "{% set ns = namespace(x=(1,)) %}{% for i in range(60) %}"
           "{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1, (ns.x, 1): 2} }}",
           // Comparisons of long texts in a loop.
           "{% set x = 'a' * 9000000 %}{% set y = x ~ '' %}{% for i in range(99999) %}"
           "{% if x == y %}{% endif %}{% endfor %}",
           "{% set x = 'a' * 9000000 %}{% for i in range(99999) %}{{ x is lower }}{% endfor %}",
           "{% set x = 'a' * 9000000 %}{% for i in range(99999) %}"
           "{% if x.find('b') %}{% endif %}{% endfor %}",
       })
    EXPECT_EQ(error_of(text).code, "template_budget") << text.substr(0, 200);
}

TEST(JinjaLimits, SearchesAreLinear) {
  // The worst cases of a naive search; at two million bytes each would take an hour.
  const std::string text = repeated("a", 2'000'000);
  const std::string needle = repeated("a", 1'000'000) + "b";
  const Template::Inputs inputs = {{"text", Value(make_text(text))},
                                   {"needle", Value(make_text(needle))},
                                   {"elden", Value(make_text("b" + repeated("a", 1'000'000)))}};
  EXPECT_EQ(*render("{{ text.find(needle) }} {{ needle in text }} {{ text.rfind(elden) }} "
                    "{{ text.count(needle) }} {{ text.split(needle)|length }} "
                    "{{ text.rsplit(elden, 3)|length }} {{ text.replace(needle, '')|length }}",
                    inputs),
            "-1 False -1 0 1 1 2000000");
}

TEST(JinjaLimits, ObjectsThatHoldThemselvesAreFreedAndPrinted) {
  EXPECT_EQ(*render("{% set ns = namespace(a=1) %}{% set ns.me = ns %}{{ ns }}"),
            "<Namespace {'a': 1, 'me': <Namespace {...}>}>");
  EXPECT_TRUE(
      render("{% set ns = namespace() %}{% macro m() %}{{ ns }}{% endmacro %}"
             "{% set ns.m = m %}{% set ns.l = [m] %}{{ m() }}"));
  EXPECT_TRUE(
      render("{% set ns = namespace() %}{% for i in [1] %}{% set ns.l = loop %}"
             "{% set x = loop.changed(loop, ns) %}{% endfor %}"));
  // A chain of macros through their scopes, as long as the steps allow.
  EXPECT_TRUE(
      render("{% set ns = namespace(m=none) %}{% for i in range(30000) %}"
             "{% set x = ns.m %}{% macro f() %}{{ x }}{% endmacro %}{% set ns.m = f %}"
             "{% endfor %}"));
  EXPECT_TRUE(
      render("{% set ns = namespace(n=none) %}{% for i in range(30000) %}"
             "{% set ns.n = namespace(n=ns.n) %}{% endfor %}"));
}

TEST(JinjaLimits, TheTemplatesOwnErrorIsCutAndCleaned) {  // T10
  const Error error = error_of("\n\n{{ raise_exception('roles\nmust alternate ' ~ 'x' * 5000) }}");
  EXPECT_EQ(error.code, "template_error");
  EXPECT_EQ(http_status(error.kind), 400);
  EXPECT_EQ(error.where, "template line 3");
  EXPECT_THAT(error.message, HasSubstr("roles must alternate xxx"));
  EXPECT_LE(error.to_string().size(), 300u);
}

TEST(JinjaLimits, NoClockUnlessOneIsGiven) {
  EXPECT_EQ(error_of("{{ strftime_now('%Y') }}").code, "template_error");
}

TEST(JinjaLimits, EveryErrorFitsInALine) {
  const std::string name = repeated("n", 5000);
  for (const std::string& text :
       {"{{ " + name + ".x }}", "{{ {}." + name + ".x }}", "{{ x|" + name + " }}",
        "{% " + name + " %}", "{{ '" + name + "' + 1 }}", "{{ x." + name + "() }}",
        "{{ '{" + name + "}'.format() }}", "{{ '%(" + name + ")s' % {} }}"}) {
    const Error error = error_of(text);
    EXPECT_LE(error.to_string().size(), 1024u);
    EXPECT_THAT(error.where, StartsWith("template line 1"));
  }
}

TEST(JinjaLimits, SyntaxErrorsNameTheLine) {
  const std::pair<const char*, const char*> kCases[] = {
      {"{{ 1", "line 1"},
      {"a\n{% if x %}\nb", "line 3"},
      {"a\n\n{{ x y }}", "line 3"},
      {"{% endif %}", "line 1"},
      {"\n{% for x %}{% endfor %}", "line 2"},
      {"{# open", "line 1"},
      {"\n{% raw %} open", "line 2"},
      {"{{ 'open }}", "line 1"},
      {"{{ (1] }}", "line 1"},
      {"{{ 1 | }}", "line 1"},
      {"{{ 99999999999999999999 }}", "line 1"},
      {"{{ x|nosuchfilter }}", "line 1"},
      {"{{ x is nosuchtest }}", "line 1"},
      {"{% break %}", "line 1"},
      {"{% set 1 = 2 %}", "line 1"},
      {"{% macro f(a=1, b) %}{% endmacro %}", "line 1"},
      {"{{ f(a=1, 2) }}", "line 1"},
      {"{{ '\\x4' }}", "line 1"},
      {"{{ ? }}", "line 1"}};
  for (const auto& [text, line] : kCases) {
    const Error error = error_of(text);
    EXPECT_EQ(error.code, "template_syntax") << text;
    EXPECT_THAT(error.where, HasSubstr(line)) << text;
  }
  EXPECT_EQ(error_of("{{ '\xff' }}").code, "template_invalid");
}

TEST(JinjaLimits, ManyThreadsRenderOneTemplate) {  // T14
  const auto parsed = Template::parse(
      "{% macro m(x, y='d') %}[{{ x }}{{ y|upper }}]{% endmacro %}{% set ns = namespace(n=0) %}"
      "{% for i in items if i.v is odd %}{{ loop.index }}{{ m(i.name) }}{% set ns.n = ns.n + i.v %}"
      "{% endfor %}{{ ns.n }}{{ items|map(attribute='name')|join(',') }}{{ items[0]|tojson }}");
  ASSERT_TRUE(parsed);
  const Json json = *parse_json(
      R"([{"name":"a","v":1},{"name":"b","v":2},{"name":"c","v":3},{"name":"d","v":5}])");
  const Template::Inputs inputs = {{"items", *from_json(json, true, "")}};
  const std::string expected = (*(*parsed)->render(inputs))->bytes;
  EXPECT_EQ(expected, "1[aD]2[cD]3[dD]9a,b,c,d{\"name\": \"a\", \"v\": 1}");
  std::vector<std::thread> threads;
  std::vector<int> right(200, 0);
  for (std::size_t t = 0; t < right.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        const auto text = (*parsed)->render(inputs);
        right[t] += text && (*text)->bytes == expected ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : right) EXPECT_EQ(count, 5);
}

}  // namespace
}  // namespace bantam::jinja
