#include "chat/jinja/budget.h"

#include <string>

namespace bantam::jinja {

std::unexpected<std::unique_ptr<Error>> raise_error(ErrorKind kind, std::string_view code,
                                                    std::string message) {
  return std::unexpected(std::make_unique<Error>(Error{.kind = kind,
                                                       .code = std::string(code),
                                                       .message = std::move(message),
                                                       .where = {},
                                                       .hint = {}}));
}

std::unexpected<std::unique_ptr<Error>> Budget::out_of_fuel() const {
  return raise_error(ErrorKind::kTooLarge, "template_budget",
                     fmt::format("the template ran for more than its {} steps", limits_.fuel));
}

std::unexpected<std::unique_ptr<Error>> Budget::string_too_long() const {
  return raise_error(
      ErrorKind::kTooLarge, "template_budget",
      fmt::format("the template built a text of more than {} bytes", limits_.string_bytes));
}

std::unexpected<std::unique_ptr<Error>> Budget::too_deep(std::string_view what, std::size_t limit) {
  return raise_error(ErrorKind::kTooLarge, "template_depth",
                     fmt::format("{} nested deeper than {}", what, limit));
}

}  // namespace bantam::jinja
