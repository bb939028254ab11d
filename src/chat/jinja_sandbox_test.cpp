// Templates are strangers' programs: what they may not do, use up or get away with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "chat/jinja/template.h"
#include "chat/jinja/text.h"

namespace bantam::jinja {
namespace {

using testing::HasSubstr;

Result<std::string> render(std::string_view text, const Limits& limits = {}) {
  const auto parsed = TRY(Template::parse(text));
  const TextPtr rendered = TRY(parsed->render({}, limits));
  return std::string(rendered->bytes);
}

std::string code_of(std::string_view text) {
  const auto rendered = render(text);
  return rendered ? "rendered " + *rendered : rendered.error().code;
}

std::string repeated(std::string_view part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += part;
  return text;
}

TEST(JinjaSandbox, ReachesNothingOfTheHost) {
  for (const char* text :
       {"{{ ().__class__.__base__.__subclasses__() }}", "{{ ''.__class__.__mro__[1] }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ namespace.__init__.__globals__ }}", "{{ range.__self__.eval('1') }}",
        "{{ self.__init__ }}", "{{ joiner.__init__.__globals__ }}",
        "{{ lipsum.__globals__['os'].system('id') }}", "{{ [].__class__() }}",
        "{{ {}.__class__.__bases__[0]() }}", "{{ dict.mro()[-1] }}",
        "{{ '%s'|format(().__class__.x) }}", "{{ '{0.__class__.x}'.format(1) }}",
        "{{ ''|attr('__class__')() }}", "{% set x = ().__class__ %}{{ x.y }}"}) {
    const auto rendered = render(text);
    EXPECT_FALSE(rendered.has_value()) << text << " gave " << *rendered;
  }
}

TEST(JinjaSandbox, RefusesTagsThatReadFiles) {
  for (const char* text : {"{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}",
                           "{% from 'x' import y %}"}) {
    EXPECT_EQ(code_of(text), "template_unsupported") << text;
  }
}

TEST(JinjaSandbox, EndlessLoopsRunOutOfFuel) {
  for (const char* text :
       {"{% for i in range(1000000000) %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(100000) %}{{ i }}{% for j in range(100000) %}x{% endfor %}{% endfor "
        "%}"}) {
    EXPECT_EQ(code_of(text), "template_budget") << text;
  }
}

TEST(JinjaSandbox, RecursionHasALimit) {
  EXPECT_EQ(code_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "template_depth");
  EXPECT_EQ(code_of("{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}"),
            "template_depth");
}

TEST(JinjaSandbox, NestingIsAParseErrorWithoutUseOfTheStack) {
  for (const char* part :
       {"(", "[", "{% if 1 %}", "-", "not ", "{% for x in y %}", "1+(", "a[", "f("}) {
    const std::string open = part[0] == '{' ? "" : "{{ ";
    EXPECT_FALSE(render(open + repeated(part, 100000)).has_value()) << part;
  }
}

TEST(JinjaSandbox, TextThatDoublesRunsOutOfBudget) {
  EXPECT_EQ(code_of("{% set x = 'abcdefgh' %}" + repeated("{% set x = x ~ x %}", 64)),
            "template_budget");
}

TEST(JinjaSandbox, FiltersPayForWhatTheyMake) {
  for (const char* text :
       {"{{ 'a' * 1000000000 }}", "{{ '%1000000000d' % 1 }}",
        "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}", "{{ ([1] * 1000000000) | join(',') }}",
        "{{ ('x' * 9999999).center(999999999) }}", "{{ 'x' | indent(1000000000) }}",
        "{{ '{:1000000000}'.format(1) }}", "{{ range(0, 10**9) | list }}"}) {
    const auto rendered = render(text);
    ASSERT_FALSE(rendered.has_value()) << text;
    EXPECT_LE(rendered.error().to_string().size(), 1024u);
  }
}

TEST(JinjaSandbox, RaisedExceptionsCarryTheirTextAndLine) {
  const auto rendered = render("\n\n{{ raise_exception('roles must alternate') }}");
  ASSERT_FALSE(rendered.has_value());
  EXPECT_EQ(rendered.error().code, "template_error");
  EXPECT_THAT(rendered.error().to_string(), HasSubstr("roles must alternate"));
  EXPECT_THAT(rendered.error().to_string(), HasSubstr("3"));
  const auto longer = render("{{ raise_exception('x' * 5000) }}");
  ASSERT_FALSE(longer.has_value());
  EXPECT_LE(longer.error().to_string().size(), 1024u);
}

TEST(JinjaSandbox, NoClockUnlessOneIsGiven) {
  EXPECT_EQ(code_of("{{ strftime_now('%Y') }}"), "template_error");
}

TEST(JinjaTemplate, ManyThreadsRenderOneTemplate) {
  const auto parsed = Template::parse(
      "{% macro m(x) %}[{{ x }}]{% endmacro %}{% set ns = namespace(n=0) %}"
      "{% for i in range(50) %}{% set ns.n = ns.n + i %}{{ m(i) }}{% endfor %}{{ ns.n }}");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().to_string();
  const auto want = (*parsed)->render({});
  ASSERT_TRUE(want.has_value());
  EXPECT_TRUE((*want)->bytes.ends_with("[49]1225"));
  std::atomic<int> same = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 20; ++k) {
          const auto got = (*parsed)->render({});
          if (got && (*got)->bytes == (*want)->bytes) ++same;
        }
      });
    }
  }
  EXPECT_EQ(same, 16 * 20);
}

}  // namespace
}  // namespace bantam::jinja
