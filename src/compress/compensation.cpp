#include "compress/compensation.h"

#include <algorithm>
#include <cmath>

#include "nn/cpu_ops.h"
#include "runtime/kv_pool.h"

namespace bantam {
namespace {

// Part of the mean of H's diagonal that is added to it, so that inputs that hardly occur are not
// paid with large weights.
constexpr double kDamping = 0.01;

// Σ x xᵀ of one input.
struct Gram {
  std::size_t width = 0;
  std::vector<double> sum;  // (width, width)

  void add(const FloatTensor& x, ThreadPool& pool) {
    pool.parallel_for(width, 16, [&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t i = begin; i < end; ++i) {
        double* row = sum.data() + i * width;
        for (std::int64_t t = 0; t < x.shape.rows(); ++t) {
          const float* values = x.row(t);
          const double factor{values[i]};
          for (std::size_t j = 0; j < width; ++j) row[j] += factor * double{values[j]};
        }
      }
    });
  }
};

// Passes all on and looks at the inputs of linear layers.
class InputWatcher final : public Ops {
 public:
  InputWatcher(CpuOps& ops, ThreadPool& pool, std::vector<Gram>& grams,
               const std::map<const std::byte*, std::size_t>& gram_of)
      : ops_(ops), pool_(pool), grams_(grams), gram_of_(gram_of) {}

  FloatTensor linear(const FloatTensor& x, const Linear& layer) override {
    look(x, layer);
    return ops_.linear(x, layer);
  }
  std::vector<FloatTensor> linears(const FloatTensor& x,
                                   std::span<const Linear* const> layers) override {
    look(x, *layers.front());
    return ops_.linears(x, layers);
  }
  FloatTensor embed(const TensorView& table, std::span<const std::int32_t> ids) override {
    return ops_.embed(table, ids);
  }
  FloatTensor rms_norm(const FloatTensor& x, const TensorView& weight, float epsilon) override {
    return ops_.rms_norm(x, weight, epsilon);
  }
  FloatTensor add(const FloatTensor& a, const FloatTensor& b) override { return ops_.add(a, b); }
  FloatTensor multiply(const FloatTensor& a, const FloatTensor& b) override {
    return ops_.multiply(a, b);
  }
  FloatTensor activate(const FloatTensor& x, Activation activation) override {
    return ops_.activate(x, activation);
  }
  FloatTensor gated(const FloatTensor& gate, const FloatTensor& up,
                    Activation activation) override {
    return ops_.gated(gate, up, activation);
  }
  FloatTensor rope(const FloatTensor& x, const RopeTable& table, std::int64_t heads,
                   std::span<const std::int64_t> positions) override {
    return ops_.rope(x, table, heads, positions);
  }
  FloatTensor attention(const FloatTensor& queries, const FloatTensor& keys,
                        const FloatTensor& values, const AttentionSpec& spec, const Batch& batch,
                        std::int64_t layer) override {
    return ops_.attention(queries, keys, values, spec, batch, layer);
  }
  FloatTensor gather_rows(const FloatTensor& x, std::span<const std::int32_t> indices) override {
    return ops_.gather_rows(x, indices);
  }
  Routing route(const FloatTensor& logits, std::int64_t used, bool normalize) override {
    return ops_.route(logits, used, normalize);
  }
  FloatTensor mix(std::span<const FloatTensor> parts, const Routing& routing) override {
    return ops_.mix(parts, routing);
  }
  void begin_scope() override { ops_.begin_scope(); }
  FloatTensor end_scope(const FloatTensor& keep) override { return ops_.end_scope(keep); }

 private:
  void look(const FloatTensor& x, const Linear& layer) {
    const auto found = gram_of_.find(layer.weight.data);
    if (found != gram_of_.end()) grams_[found->second].add(x, pool_);
  }

  CpuOps& ops_;
  ThreadPool& pool_;
  std::vector<Gram>& grams_;
  const std::map<const std::byte*, std::size_t>& gram_of_;
};

// Which input each layer has: those that are multiplied together share one.
void share_inputs(const DecoderWeights& weights, std::vector<Gram>& grams,
                  std::map<const std::byte*, std::size_t>& gram_of) {
  const auto share = [&](std::initializer_list<const Linear*> layers) {
    const Linear& first = **layers.begin();
    if (first.weight.data == nullptr) return;
    for (const Linear* layer : layers) gram_of[layer->weight.data] = grams.size();
    grams.push_back({.width = static_cast<std::size_t>(first.weight.shape[1]), .sum = {}});
  };
  for (const LayerWeights& layer : weights.layers) {
    share({&layer.query, &layer.key, &layer.value});
    share({&layer.output});
    share({&layer.gate, &layer.up});
    share({&layer.down});
    for (std::size_t i = 0; i < layer.experts.gate.size(); ++i) {
      share({&layer.experts.gate[i], &layer.experts.up[i]});
      share({&layer.experts.down[i]});
    }
  }
}

// What does not fit is forgotten; how many that are. An input that is left out has no width.
std::size_t leave_out_widest(std::uint64_t most_bytes, std::vector<Gram>& grams,
                             std::map<const std::byte*, std::size_t>& gram_of) {
  const auto bytes_of = [](const Gram& gram) {
    return std::uint64_t{gram.width} * gram.width * sizeof(double);
  };
  std::uint64_t bytes = 0;
  for (const Gram& gram : grams) bytes += bytes_of(gram);
  std::size_t left_out = 0;
  for (; bytes > most_bytes; ++left_out) {
    std::size_t widest = 0;  // the last of them
    for (std::size_t i = 1; i < grams.size(); ++i)
      if (grams[i].width >= grams[widest].width) widest = i;
    bytes -= bytes_of(grams[widest]);
    grams[widest].width = 0;
    std::erase_if(gram_of, [&](const auto& entry) { return entry.second == widest; });
  }
  return left_out;
}

Result<void> run(const Decoder& decoder, std::span<const std::int32_t> ids, Ops& watcher) {
  const KvLayout layout = kv_layout(decoder.spec(), KvType{});
  const auto count = static_cast<std::int64_t>(ids.size());
  KvPool blocks(layout, KvLayout::blocks_for(count));
  KvSequence kv(layout);
  TRY(blocks.reserve(kv, count));
  const SequenceRows rows{.first_row = 0, .count = count, .first_position = 0, .kv = &kv};
  std::vector<std::int64_t> positions(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) positions[i] = static_cast<std::int64_t>(i);
  const std::int32_t last[] = {static_cast<std::int32_t>(count - 1)};
  decoder.hidden(watcher, {.tokens = ids, .positions = positions, .sequences = {&rows, 1}}, last);
  return {};
}

// H, (n, n), becomes U with H⁻¹ = Uᵀ U. With H = R Rᵀ, R upper triangular, U is R⁻¹.
void factorize(std::vector<double>& h, std::size_t n) {
  const auto at = [&](std::size_t i, std::size_t j) -> double& { return h[i * n + j]; };
  for (std::size_t j = n; j-- > 0;) {
    const auto tail = [&](std::size_t i) {
      double sum = at(i, j);
      for (std::size_t k = j + 1; k < n; ++k) sum -= at(i, k) * at(j, k);
      return sum;
    };
    const double diagonal = std::sqrt(tail(j));
    for (std::size_t i = 0; i < j; ++i) at(i, j) = tail(i) / diagonal;
    at(j, j) = diagonal;
  }
  std::vector<double> row(n);
  for (std::size_t i = n; i-- > 0;) {
    std::ranges::fill(row, 0.0);
    const double scale = 1 / at(i, i);
    for (std::size_t k = i + 1; k < n; ++k)
      for (std::size_t j = k; j < n; ++j) row[j] -= at(i, k) * at(k, j);
    for (std::size_t j = 0; j < n; ++j) at(i, j) = j > i ? scale * row[j] : 0;
    at(i, i) = scale;
  }
}

}  // namespace

Result<Compensation> Compensation::collect(const Decoder& decoder,
                                           std::span<const std::vector<std::int32_t>> texts,
                                           ThreadPool& pool, std::uint64_t most_bytes) {
  Compensation out;
  std::vector<Gram> grams;
  share_inputs(decoder.weights(), grams, out.factor_of_);
  out.left_out_ = leave_out_widest(most_bytes, grams, out.factor_of_);
  for (Gram& gram : grams) gram.sum.resize(gram.width * gram.width);
  const KernelTable* kernels = TRY(choose_kernels(""));
  Arena arena;
  for (const std::vector<std::int32_t>& text : texts) {
    const auto length =
        std::min(text.size(), static_cast<std::size_t>(decoder.spec().context_length));
    if (length == 0) continue;
    arena.reset();
    CpuOps ops(*kernels, pool, arena);
    InputWatcher watcher(ops, pool, grams, out.factor_of_);
    TRY(run(decoder, std::span(text).first(length), watcher));
  }
  std::vector<bool> seen;
  for (Gram& gram : grams) {
    double trace = 0;
    for (std::size_t i = 0; i < gram.width; ++i) trace += gram.sum[i * gram.width + i];
    seen.push_back(trace > 0 && std::isfinite(trace));
    const double damping = kDamping * trace / static_cast<double>(gram.width);
    for (std::size_t i = 0; i < gram.width; ++i) gram.sum[i * gram.width + i] += damping;
  }
  pool.parallel_for(grams.size(), 1, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i)
      if (seen[i]) factorize(grams[i].sum, grams[i].width);
  });
  std::erase_if(out.factor_of_, [&](const auto& entry) { return !seen[entry.second]; });
  for (Gram& gram : grams) out.factors_.push_back(std::move(gram.sum));
  return out;
}

void Compensation::encode(const std::byte* weight, const Codec& codec, std::span<const float> row,
                          std::byte* blocks) const {
  const auto found = factor_of_.find(weight);
  CHECK(found != factor_of_.end());
  const DTypeInfo& type = dtype_info(codec.type);
  CHECK(type.row_header_bytes == 0);
  const Factor& u = factors_[found->second];
  const std::size_t n = row.size(), block = type.block_elements;
  CHECK(u.size() == n * n && n % block == 0);
  std::vector<double> values(row.begin(), row.end());
  std::vector<float> now(block), rounded(block);
  std::vector<double> y(block);
  for (std::size_t first = 0; first < n; first += block) {
    for (std::size_t i = 0; i < block; ++i) now[i] = static_cast<float>(values[first + i]);
    std::byte* out = blocks + first / block * type.block_bytes;
    codec.encode(now, {}, out);
    codec.decode(out, rounded);
    // e = y U over the block's own columns; what y U is over those to come is taken off them.
    for (std::size_t i = 0; i < block; ++i) {
      double error = values[first + i] - double{rounded[i]};
      for (std::size_t k = 0; k < i; ++k) error -= y[k] * u[(first + k) * n + first + i];
      y[i] = error / u[(first + i) * n + first + i];
    }
    for (std::size_t k = 0; k < block; ++k)
      for (std::size_t j = first + block; j < n; ++j) values[j] -= y[k] * u[(first + k) * n + j];
  }
}

}  // namespace bantam
