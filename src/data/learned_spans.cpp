#include "data/learned_spans.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace bantam {
namespace {

// The first token in [from, to) that ends a generation and was written by the template itself:
// where it ends. Of several at one place the longest.
std::optional<std::size_t> find_ending(const Tokenizer& tokenizer, const RenderedPrompt& whole,
                                       std::size_t from, std::size_t to) {
  std::size_t best = to, best_end = 0;
  const std::string_view text = whole.text;
  for (const TokenId id : tokenizer.specials().end_of_generation) {
    const std::string_view spelling = tokenizer.piece(id);
    if (spelling.empty()) continue;
    for (std::size_t at = text.find(spelling, from); at < to; at = text.find(spelling, at + 1)) {
      const std::size_t end = at + spelling.size();
      const auto range = std::ranges::upper_bound(whole.input_ranges, at, {}, &ByteRange::end);
      if (end > to || (range != whole.input_ranges.end() && range->begin < end)) continue;
      if (at < best || (at == best && end > best_end)) {
        best = at;
        best_end = end;
      }
      break;
    }
  }
  return best < to ? std::optional(best_end) : std::nullopt;
}

// Bytes of the whole text that are the prompt which the server would send for message `index`.
std::optional<std::size_t> prompt_end(const ChatTemplate& chat_template, const ChatRequest& request,
                                      const RenderedPrompt& whole, std::size_t index,
                                      const std::tm& now) {
  if (index == 0) return std::nullopt;
  ChatRequest before;
  before.messages.assign(request.messages.begin(),
                         request.messages.begin() + static_cast<std::ptrdiff_t>(index));
  before.tools = request.tools;
  const Result<RenderedPrompt> prompt = chat_template.render(before, now);
  if (!prompt || !whole.text.starts_with(prompt->text)) return std::nullopt;
  return prompt->text.size();
}

}  // namespace

std::optional<TurnSpan> find_turn(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                  const ChatRequest& request, const RenderedPrompt& whole,
                                  std::size_t index, std::size_t from, const std::tm& now) {
  using Said = RenderedPrompt::Said;
  const auto at_or_after = [&](std::size_t byte) {
    return std::ranges::lower_bound(whole.said, byte, {},
                                    [](const Said& said) { return said.bytes.begin; });
  };
  const auto own = [index](const Said& said) { return said.message == index; };
  const auto first = std::find_if(at_or_after(from), whole.said.end(), own);
  if (first == whole.said.end()) return std::nullopt;

  TurnSpan turn{.begin = first->bytes.begin};
  const auto prompt = prompt_end(chat_template, request, whole, index, now);
  // Between the prompt and the answer stands nothing but what the template writes.
  const bool adjacent =
      prompt && *prompt >= from && *prompt <= turn.begin && at_or_after(*prompt) == first;
  if (adjacent) {
    turn.begin = *prompt;
    turn.prompt_shown = true;
  }
  const auto next = std::find_if_not(first, whole.said.end(), own);
  const std::size_t limit = next == whole.said.end() ? whole.text.size() : next->bytes.begin;
  const auto ending = find_ending(tokenizer, whole, first->bytes.begin, limit);
  turn.ended = ending.has_value();
  turn.end = ending.value_or(std::prev(next)->bytes.end);
  return turn;
}

}  // namespace bantam
