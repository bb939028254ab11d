#include "chat/jinja/functions.h"

#include <algorithm>
#include <array>

#include "chat/jinja/filters.h"
#include "chat/jinja/objects.h"

namespace bantam::jinja {
namespace {

Function find_in(std::span<const NamedFunction> table, std::string_view name) {
  const auto row = std::find_if(table.begin(), table.end(),
                                [name](const NamedFunction& entry) { return entry.name == name; });
  return row == table.end() ? nullptr : row->function;
}

}  // namespace

Function find_filter(std::string_view name) {
  for (const auto table :
       {text_filters(), number_filters(), sequence_filters(), selection_filters()}) {
    if (const Function function = find_in(table, name)) return function;
  }
  return nullptr;
}

Function find_test(std::string_view name) { return find_in(test_functions(), name); }

Function find_global(std::string_view name) { return find_in(global_functions(), name); }

Function find_method(const Value& receiver, std::string_view name) {
  if (receiver.is_string()) return find_in(string_methods(), name);
  return find_in(container_methods(receiver), name);
}

bool is_mutating_method(const Value& receiver, std::string_view name) {
  constexpr std::array<std::string_view, 5> kDict = {"clear", "pop", "popitem", "setdefault",
                                                     "update"};
  constexpr std::array<std::string_view, 8> kList = {"append", "clear",  "extend",  "insert",
                                                     "pop",    "remove", "reverse", "sort"};
  if (receiver.is_dict()) return std::find(kDict.begin(), kDict.end(), name) != kDict.end();
  return receiver.is_list() && !receiver.list().tuple &&
         std::find(kList.begin(), kList.end(), name) != kList.end();
}

}  // namespace bantam::jinja
