// Filters, as rows of tables that functions.cpp searches.
#pragma once

#include <span>
#include <string_view>

#include "chat/jinja/ast.h"

namespace bantam::jinja {

struct NamedFunction {
  std::string_view name;
  Function function;
};

std::span<const NamedFunction> text_filters();                            // filters_text.cpp
std::span<const NamedFunction> number_filters();                          // filters_number.cpp
std::span<const NamedFunction> sequence_filters();                        // filters_sequence.cpp
std::span<const NamedFunction> selection_filters();                       // filters_selection.cpp
std::span<const NamedFunction> test_functions();                          // test_functions.cpp
std::span<const NamedFunction> global_functions();                        // globals.cpp
std::span<const NamedFunction> string_methods();                          // string_methods.cpp
std::span<const NamedFunction> container_methods(const Value& receiver);  // methods.cpp

}  // namespace bantam::jinja
