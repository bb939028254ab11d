// Merges waiting to be done, by rank and then by place: a heap of the ranks that occur, and for
// each its places.
//
// Places mostly arrive in ascending order, so those of a rank form a sorted run that is read from
// its front; only latecomers need a heap. A text of ten million equal characters therefore takes
// linear time where one big heap would miss the cache at every level.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

namespace bantam {

class MergeQueue {
 public:
  struct Entry {
    std::uint32_t rank, place;
  };

  explicit MergeQueue(std::size_t ranks) : places_(ranks) {}  // ranks are below this

  bool empty() const { return ranks_.empty(); }
  void push(Entry entry);
  Entry pop();  // lowest rank, then lowest place; not empty
  // A place that pop() will probably give a few calls later, to be fetched into the cache. After
  // the queue was empty it may be one of before.
  std::uint32_t upcoming() const { return upcoming_; }

 private:
  template <typename T>
  using MinHeap = std::priority_queue<T, std::vector<T>, std::greater<>>;

  struct Places {
    std::vector<std::uint32_t> run;  // ascending
    std::size_t next = 0;            // first of run that is still to come
    MinHeap<std::uint32_t> late;
    bool empty() const { return next == run.size() && late.empty(); }
  };

  MinHeap<std::uint32_t> ranks_;  // those with places left
  std::vector<Places> places_;    // by rank
  std::uint32_t upcoming_ = 0;
};

}  // namespace bantam
