#include "nn/cpu_ops.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace bantam {
namespace {

std::vector<float> turned(CpuOps& ops, const FloatTensor& x, const RopeTable& table,
                          std::span<const std::int64_t> positions) {
  const FloatTensor out = ops.rope(x, table, 2, positions);
  return {out.values().begin(), out.values().end()};
}

// Angles are kept for the next layer; they must not be used for other positions or another table.
TEST(CpuOps, RopeTurnsByItsOwnTableAndPositions) {
  const RopeTable slow(RopeSpec{.width = 16, .base = 1e6}), fast(RopeSpec{.width = 16, .base = 10});
  const std::vector<std::int64_t> first = {3, 4, 5}, second = {3, 4, 6}, third = {3, 4};
  ThreadPool pool(2);
  Arena arena, fresh_arena;
  const KernelTable& kernels = *choose_kernels("").value();
  CpuOps ops(kernels, pool, arena);
  Random random(1);
  struct Call {
    const RopeTable& table;
    std::span<const std::int64_t> positions;
  };
  for (const Call& call :
       {Call{slow, first}, Call{slow, first}, Call{fast, first}, Call{slow, second},
        Call{fast, first}, Call{fast, third}, Call{slow, first}}) {
    const FloatTensor x =
        arena.alloc_floats(Shape{static_cast<std::int64_t>(call.positions.size()), 32});
    for (float& value : x.values()) value = static_cast<float>(random.next_normal());
    CpuOps fresh(kernels, pool, fresh_arena);
    EXPECT_EQ(turned(ops, x, call.table, call.positions),
              turned(fresh, x, call.table, call.positions));
  }
}

}  // namespace
}  // namespace bantam
