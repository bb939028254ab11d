#include "train/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "kernels/gradients.h"
#include "train/dynamic_code.h"

namespace bantam {
namespace {

constexpr std::size_t kGrain = 1 << 14;
constexpr std::size_t kLeastPacked = 4096;

class Adamw final : public Optimizer {
 public:
  static Result<std::unique_ptr<Optimizer>> create(std::span<const Parameter* const> chosen,
                                                   const KernelTable& kernels, ThreadPool& pool,
                                                   const AdamwOptions& options) {
    auto made = std::unique_ptr<Adamw>(new Adamw(kernels, pool, options));
    std::size_t floats = 0, blocks = 0;
    for (const Parameter* parameter : chosen) {
      const auto size = static_cast<std::size_t>(parameter->size());
      const bool packed = options.eight_bits && size >= kLeastPacked;
      std::size_t& end = packed ? blocks : floats;
      made->parts_.push_back({parameter, packed, end});
      end += packed ? (size + kDynamicBlock - 1) / kDynamicBlock : size;
    }
    TRY(made->arena_.reserve(2 * (floats + blocks) * sizeof(float) + 2 * blocks * kDynamicBlock +
                             6 * Arena::kAlignment));
    for (Moments* moments : {&made->first_, &made->second_}) {
      moments->floats = made->arena_.alloc_span<float>(floats);
      moments->codes = made->arena_.alloc_span<std::uint8_t>(blocks * kDynamicBlock);
      moments->largest = made->arena_.alloc_span<float>(blocks);
      std::ranges::fill(moments->floats, 0.0F);
      std::ranges::fill(moments->codes, std::uint8_t{0});
      std::ranges::fill(moments->largest, 0.0F);
    }
    return made;
  }

  void step(std::int64_t step, float rate, float scale) override {
    const auto count = static_cast<double>(step);
    AdamwStep one{.beta1 = options_.beta1,
                  .beta2 = options_.beta2,
                  .epsilon = options_.epsilon,
                  .bias1 = static_cast<float>(1 - std::pow(options_.beta1, count)),
                  .bias2 = static_cast<float>(1 - std::pow(options_.beta2, count)),
                  .scale = scale};
    for (const Part& part : parts_) {
      one.rate = rate * part.parameter->rate;
      one.decay = part.parameter->role == ParameterRole::kVector ? 0.0F : options_.decay;
      // Ranges begin at blocks: the grain is a whole number of them.
      pool_.parallel_for(static_cast<std::size_t>(part.parameter->size()), kGrain,
                         [&](std::size_t begin, std::size_t end, std::size_t) {
                           part.packed ? step_packed(one, part, begin, end)
                                       : step_floats(one, part, begin, end);
                         });
    }
  }

  std::vector<State> state() override {
    std::vector<State> states;
    const auto add = [&](std::string_view name, std::span<std::byte> bytes) {
      if (!bytes.empty()) states.push_back({name, bytes});
    };
    add("adamw.first", std::as_writable_bytes(first_.floats));
    add("adamw.second", std::as_writable_bytes(second_.floats));
    add("adamw.first_codes", std::as_writable_bytes(first_.codes));
    add("adamw.first_largest", std::as_writable_bytes(first_.largest));
    add("adamw.second_codes", std::as_writable_bytes(second_.codes));
    add("adamw.second_largest", std::as_writable_bytes(second_.largest));
    return states;
  }

 private:
  struct Part {
    const Parameter* parameter;
    bool packed;
    std::size_t at;  // in floats, or in blocks
  };
  struct Moments {
    std::span<float> floats;
    std::span<std::uint8_t> codes;
    std::span<float> largest;  // of a block
  };

  Adamw(const KernelTable& kernels, ThreadPool& pool, const AdamwOptions& options)
      : kernels_(kernels), pool_(pool), options_(options) {}

  void step_floats(const AdamwStep& one, const Part& part, std::size_t begin, std::size_t end) {
    kernels_.adamw(one, part.parameter->gradient + begin, first_.floats.data() + part.at + begin,
                   second_.floats.data() + part.at + begin, part.parameter->value + begin,
                   static_cast<std::int64_t>(end - begin));
  }

  void step_packed(const AdamwStep& one, const Part& part, std::size_t begin, std::size_t end) {
    std::array<float, kDynamicBlock> first, second;
    for (std::size_t at = begin; at < end; at += kDynamicBlock) {
      const std::size_t count = std::min(kDynamicBlock, end - at);
      const std::size_t block = part.at + at / kDynamicBlock;
      const auto first_codes = first_.codes.subspan(block * kDynamicBlock, count);
      const auto second_codes = second_.codes.subspan(block * kDynamicBlock, count);
      decode_dynamic(DynamicSign::kSigned, first_.largest[block], first_codes, first.data());
      decode_dynamic(DynamicSign::kUnsigned, second_.largest[block], second_codes, second.data());
      kernels_.adamw(one, part.parameter->gradient + at, first.data(), second.data(),
                     part.parameter->value + at, static_cast<std::int64_t>(count));
      first_.largest[block] =
          encode_dynamic(DynamicSign::kSigned, {first.data(), count}, first_codes.data());
      second_.largest[block] =
          encode_dynamic(DynamicSign::kUnsigned, {second.data(), count}, second_codes.data());
    }
  }

  const KernelTable& kernels_;
  ThreadPool& pool_;
  AdamwOptions options_;
  std::vector<Part> parts_;
  Arena arena_;
  Moments first_, second_;
};

}  // namespace

Result<std::unique_ptr<Optimizer>> make_adamw(Parameters& parameters, const KernelTable& kernels,
                                              ThreadPool& pool, const AdamwOptions& options) {
  std::vector<const Parameter*> all;
  for (const Parameter& parameter : parameters.all()) all.push_back(&parameter);
  return Adamw::create(all, kernels, pool, options);
}

Result<std::unique_ptr<Optimizer>> make_adamw(std::span<const Parameter* const> chosen,
                                              const KernelTable& kernels, ThreadPool& pool,
                                              const AdamwOptions& options) {
  return Adamw::create(chosen, kernels, pool, options);
}

float Schedule::rate(std::int64_t step) const {
  if (step <= warmup)
    return static_cast<float>(static_cast<double>(peak) * static_cast<double>(step) /
                              static_cast<double>(warmup));
  const auto left = static_cast<double>(std::max<std::int64_t>(1, steps - warmup));
  const double done = std::min(1.0, static_cast<double>(step - warmup) / left);
  if (done <= hold) return peak;
  const double share = (done - hold) / (1 - hold);
  const double height = cosine ? (1 + std::cos(std::numbers::pi * share)) / 2 : 1 - share;
  const auto low = static_cast<double>(floor);
  return static_cast<float>(static_cast<double>(peak) * (low + (1 - low) * height));
}

}  // namespace bantam
