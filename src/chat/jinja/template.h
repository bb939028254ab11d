// A sandboxed Jinja interpreter: the language of chat templates, as Hugging Face transformers sets
// it up (trim_blocks, lstrip_blocks, break and continue, the "generation" tag, tojson, the
// functions raise_exception and strftime_now), and as Python prints values.
//
// Not here, on purpose: include, import, extends and autoescape (refused by name); the filters
// pprint, random, striptags, urlize, wordwrap and xmlattr; whole numbers beyond 64 bits (an error,
// never a wrong number). A template reaches nothing but its inputs: no files, no clock unless one
// is given, no attributes but data and harmless methods.
//
// A Template is immutable: any number of threads may render it at once.
#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/jinja/budget.h"
#include "chat/jinja/value.h"

namespace bantam::jinja {

struct Program;

// A value with all strings in it of one origin. An integer beyond int64 is
// kUnsupported "integer_too_large"; text that is not UTF-8 is kMalformed "invalid_utf8"; both name
// the JSON pointer, which begins with `pointer`. At most kMaxValueDepth deep.
Result<Value> from_json(const Json& json, Origin origin, std::string_view pointer);

class Template {
 public:
  using Inputs = std::vector<std::pair<std::string, Value>>;

  // Errors: "template_syntax", "template_unsupported", "template_depth" with the line, and
  // "template_invalid" for text that is not UTF-8.
  static Result<std::shared_ptr<const Template>> parse(std::string_view text);

  // The text, with marks on what came from the inputs. Errors: "template_error", "template_budget",
  // "template_depth"; all name the template's line.
  Result<TextPtr> render(const Inputs& inputs, const Limits& limits = {},
                         const std::optional<std::tm>& now = std::nullopt) const;

  // Names that the template reads and does not assign first, and that are no functions of ours:
  // its inputs. Sorted.
  const std::vector<std::string>& inputs() const { return inputs_; }

 private:
  Template() = default;

  std::shared_ptr<const Program> program_;
  std::vector<std::string> inputs_;
};

}  // namespace bantam::jinja
