// The processor cores that a thread may run on.
//
// A mask that the kernel keeps for every thread: taskset, cpusets and containers narrow it. Threads
// inherit it from the thread that starts them. Where the kernel refuses to say or to change it (a
// sandbox may), sets are empty and apply() does nothing: placement is a matter of speed, never of
// results.
#pragma once

#include <cstddef>
#include <vector>

namespace bantam {

class CoreSet {
 public:
  // Of the calling thread.
  static CoreSet of_this_thread();
  // The core that the calling thread is on at this moment; -1 if unknown.
  static int current();

  std::size_t count() const;
  // The core at `index` of those in the set, counted from the lowest; index < count().
  int at(std::size_t index) const;
  void remove(int core);
  void keep_only(int core);

  // Makes it the calling thread's; the thread has moved when this returns. An empty set changes
  // nothing. False if the kernel refused.
  bool apply() const;

 private:
  static constexpr std::size_t kBits = 8 * sizeof(unsigned long);
  std::vector<unsigned long> words_;  // the kernel's own form: bit c % kBits of word c / kBits
};

}  // namespace bantam
