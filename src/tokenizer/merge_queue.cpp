#include "tokenizer/merge_queue.h"

#include "base/result.h"

namespace bantam {

constexpr std::size_t kLookAhead = 8;

void MergeQueue::push(Entry entry) {
  Places& places = places_[entry.rank];
  if (places.empty()) ranks_.push(entry.rank);
  if (places.run.empty() || places.run.back() <= entry.place)
    places.run.push_back(entry.place);
  else
    places.late.push(entry.place);
}

MergeQueue::Entry MergeQueue::pop() {
  CHECK(!ranks_.empty());
  const std::uint32_t rank = ranks_.top();
  Places& places = places_[rank];
  std::uint32_t place;
  if (places.late.empty() ||
      (places.next < places.run.size() && places.run[places.next] <= places.late.top())) {
    place = places.run[places.next++];
    if (places.run.size() - places.next > kLookAhead)
      upcoming_ = places.run[places.next + kLookAhead];
    if (places.next == places.run.size()) {
      places.run.clear();
      places.next = 0;
    }
  } else {
    place = places.late.top();
    places.late.pop();
  }
  if (places.empty()) ranks_.pop();
  return {.rank = rank, .place = place};
}

}  // namespace bantam
