#include "train/tape_ops.h"

#include <algorithm>
#include <utility>

#include "kernels/attention_backward.h"
#include "kernels/rowwise.h"
#include "train/linear_backward.h"
#include "train/tape.h"

namespace bantam {

struct TapeOps::State {
  State(const KernelTable& table, ThreadPool& threads, Arena& memory, Parameters& trained,
        const TapeOptions& wishes)
      : kernels(table),
        pool(threads),
        arena(memory),
        parameters(trained),
        options(wishes),
        forward(table, threads, memory, wishes.mode),
        inverse(table, threads, memory, wishes.mode),
        tape(memory) {}

  BackwardContext context() { return {kernels, pool, arena, parameters, options.mode}; }

  // sum += x, if it is wanted.
  void add(const FloatTensor& sum, const FloatTensor& x) {
    if (sum.data == nullptr) return;
    for_each_row(pool, x.shape.rows(), x.shape.last(), [&](std::int64_t t) {
      kernels.add(sum.row(t), x.row(t), sum.row(t), x.shape.last());
    });
  }

  FloatTensor record(bool wanted, std::function<FloatTensor()> compute,
                     std::function<void(const FloatTensor&)> differentiate) {
    return tape.record(
        wanted, [compute = std::move(compute)] { return std::vector<FloatTensor>{compute()}; },
        [differentiate = std::move(differentiate)](std::span<const FloatTensor> gradients) {
          differentiate(gradients[0]);
        })[0];
  }

  const KernelTable& kernels;
  ThreadPool& pool;
  Arena& arena;
  Parameters& parameters;
  TapeOptions options;
  CpuOps forward;
  CpuOps inverse;  // of rotations: it remembers angles of its own
  Tape tape;
  std::int64_t scopes = 0, depth = 0;  // outermost ones begun so far; open now
};

TapeOps::TapeOps(const KernelTable& kernels, ThreadPool& pool, Arena& arena, Parameters& parameters,
                 const TapeOptions& options)
    : state_(std::make_unique<State>(kernels, pool, arena, parameters, options)) {}
TapeOps::~TapeOps() = default;

FloatTensor TapeOps::embed(const TensorView& table, std::span<const std::int32_t> ids) {
  State& s = *state_;
  float* const d_table = s.parameters.lookup_gradient_of(table);
  std::vector<std::int32_t> mine(ids.begin(), ids.end());
  return s.record(
      d_table != nullptr, [&s, table, mine] { return s.forward.embed(table, mine); },
      [&s, mine, d_table](const FloatTensor& dy) {
        const std::int64_t width = dy.shape.last();
        for_each_column_stretch(s.pool, width, [&](std::int64_t begin, std::int64_t count) {
          for (std::size_t t = 0; t < mine.size(); ++t) {
            float* const row = d_table + mine[t] * width + begin;
            s.kernels.add(row, dy.row(static_cast<std::int64_t>(t)) + begin, row, count);
          }
        });
      });
}

FloatTensor TapeOps::linear(const FloatTensor& x, const Linear& layer) {
  const Linear* const layers[] = {&layer};
  return linears(x, layers)[0];
}

std::vector<FloatTensor> TapeOps::linears(const FloatTensor& x,
                                          std::span<const Linear* const> layers) {
  State& s = *state_;
  const Tape::Operand input = s.tape.operand(x);
  bool wanted = s.tape.wanted(input);
  std::vector<Linear> mine;  // a Linear is a few views
  std::vector<Tape::Operand> outputs;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    mine.push_back(*layers[i]);
    wanted = wanted || trains(s.parameters, *layers[i]);
    outputs.push_back(s.tape.next_output(i, Shape{x.shape[0], layers[i]->outputs()}));
  }
  return s.tape.record(
      wanted,
      [&s, input, mine] {
        std::vector<const Linear*> pointers;
        for (const Linear& layer : mine) pointers.push_back(&layer);
        return s.forward.linears(s.tape.numbers(input), pointers);
      },
      [&s, input, mine, outputs](std::span<const FloatTensor> gradients) {
        for (std::size_t i = 0; i < mine.size(); ++i) {
          if (gradients[i].data == nullptr) continue;
          linear_backward(s.context(), s.tape.numbers(input), mine[i], s.tape.numbers(outputs[i]),
                          gradients[i], s.tape.gradient(input));
        }
      });
}

FloatTensor TapeOps::rms_norm(const FloatTensor& x, const TensorView& weight, float epsilon) {
  State& s = *state_;
  const Tape::Operand input = s.tape.operand(x);
  float* const d_weight = s.parameters.gradient_of(weight);
  return s.record(
      s.tape.wanted(input) || d_weight != nullptr,
      [&s, input, weight, epsilon] {
        return s.forward.rms_norm(s.tape.numbers(input), weight, epsilon);
      },
      [&s, input, weight, epsilon, d_weight](const FloatTensor& dy) {
        const FloatTensor in = s.tape.numbers(input), dx = s.tape.gradient(input);
        const std::int64_t rows = in.shape.rows(), width = in.shape.last();
        const auto* const w = reinterpret_cast<const float*>(weight.data);
        const Arena::Mark mark = s.arena.mark();
        // Where the input needs no gradient its rows still have to be measured.
        const FloatTensor to = dx.data != nullptr ? dx : s.arena.alloc_floats(in.shape);
        float* const factors = s.arena.alloc<float>(static_cast<std::size_t>(rows));
        for_each_row(s.pool, rows, width, [&](std::int64_t t) {
          factors[t] =
              s.kernels.rms_norm_backward(in.row(t), w, epsilon, dy.row(t), to.row(t), width);
        });
        if (d_weight != nullptr) {
          for_each_column_stretch(s.pool, width, [&](std::int64_t begin, std::int64_t count) {
            for (std::int64_t t = 0; t < rows; ++t)
              s.kernels.add_product(dy.row(t) + begin, in.row(t) + begin, factors[t],
                                    d_weight + begin, count);
          });
        }
        s.arena.rewind(mark);
      });
}

FloatTensor TapeOps::add(const FloatTensor& a, const FloatTensor& b) {
  State& s = *state_;
  const Tape::Operand x = s.tape.operand(a), y = s.tape.operand(b);
  return s.record(
      s.tape.wanted(x) || s.tape.wanted(y),
      [&s, x, y] { return s.forward.add(s.tape.numbers(x), s.tape.numbers(y)); },
      [&s, x, y](const FloatTensor& dy) {
        s.add(s.tape.gradient(x), dy);
        s.add(s.tape.gradient(y), dy);
      });
}

FloatTensor TapeOps::multiply(const FloatTensor& a, const FloatTensor& b) {
  State& s = *state_;
  const Tape::Operand x = s.tape.operand(a), y = s.tape.operand(b);
  const auto one_side = [&s](const Tape::Operand& side, const Tape::Operand& other,
                             const FloatTensor& dy) {
    const FloatTensor sum = s.tape.gradient(side), factor = s.tape.numbers(other);
    if (sum.data == nullptr) return;
    for_each_row(s.pool, dy.shape.rows(), dy.shape.last(), [&](std::int64_t t) {
      s.kernels.add_product(dy.row(t), factor.row(t), 1.0F, sum.row(t), dy.shape.last());
    });
  };
  return s.record(
      s.tape.wanted(x) || s.tape.wanted(y),
      [&s, x, y] { return s.forward.multiply(s.tape.numbers(x), s.tape.numbers(y)); },
      [x, y, one_side](const FloatTensor& dy) {
        one_side(x, y, dy);
        one_side(y, x, dy);
      });
}

FloatTensor TapeOps::activate(const FloatTensor& x, Activation activation) {
  State& s = *state_;
  const Tape::Operand input = s.tape.operand(x);
  return s.record(
      s.tape.wanted(input),
      [&s, input, activation] { return s.forward.activate(s.tape.numbers(input), activation); },
      [&s, input, activation](const FloatTensor& dy) {
        const FloatTensor in = s.tape.numbers(input), dx = s.tape.gradient(input);
        for_each_row(s.pool, dy.shape.rows(), dy.shape.last(), [&](std::int64_t t) {
          s.kernels.activate_backward[static_cast<std::size_t>(activation)](
              in.row(t), dy.row(t), dx.row(t), dy.shape.last());
        });
      });
}

FloatTensor TapeOps::gated(const FloatTensor& gate, const FloatTensor& up, Activation activation) {
  State& s = *state_;
  const Tape::Operand left = s.tape.operand(gate), right = s.tape.operand(up);
  return s.record(
      s.tape.wanted(left) || s.tape.wanted(right),
      [&s, left, right, activation] {
        return s.forward.gated(s.tape.numbers(left), s.tape.numbers(right), activation);
      },
      [&s, left, right, activation](const FloatTensor& dy) {
        const FloatTensor g = s.tape.numbers(left), u = s.tape.numbers(right);
        const Arena::Mark mark = s.arena.mark();
        FloatTensor d_gate = s.tape.gradient(left), d_up = s.tape.gradient(right);
        for (FloatTensor* side : {&d_gate, &d_up})  // a constant's gradient is nobody's
          if (side->data == nullptr) *side = s.arena.alloc_floats(dy.shape);
        for_each_row(s.pool, dy.shape.rows(), dy.shape.last(), [&](std::int64_t t) {
          s.kernels.gated_backward[static_cast<std::size_t>(activation)](
              g.row(t), u.row(t), dy.row(t), d_gate.row(t), d_up.row(t), dy.shape.last());
        });
        s.arena.rewind(mark);
      });
}

FloatTensor TapeOps::rope(const FloatTensor& x, const RopeTable& table, std::int64_t heads,
                          std::span<const std::int64_t> positions) {
  State& s = *state_;
  const Tape::Operand input = s.tape.operand(x);
  std::vector<std::int64_t> mine(positions.begin(), positions.end());
  return s.record(
      s.tape.wanted(input),
      [&s, input, &table, heads, mine] {
        return s.forward.rope(s.tape.numbers(input), table, heads, mine);
      },
      [&s, input, &table, heads, mine](const FloatTensor& dy) {
        // Turning is undone by turning the other way: by the angles of the position's negative.
        std::vector<std::int64_t> back;
        for (const std::int64_t position : mine) back.push_back(-position);
        const Arena::Mark mark = s.arena.mark();
        s.add(s.tape.gradient(input), s.inverse.rope(dy, table, heads, back));
        s.arena.rewind(mark);
      });
}

FloatTensor TapeOps::gather_rows(const FloatTensor& x, std::span<const std::int32_t> indices) {
  State& s = *state_;
  const Tape::Operand input = s.tape.operand(x);
  std::vector<std::int32_t> mine(indices.begin(), indices.end());
  return s.record(
      s.tape.wanted(input),
      [&s, input, mine] { return s.forward.gather_rows(s.tape.numbers(input), mine); },
      [&s, input, mine](const FloatTensor& dy) {
        const FloatTensor dx = s.tape.gradient(input);
        for (std::size_t i = 0; i < mine.size(); ++i) {
          float* const row = dx.row(mine[i]);
          s.kernels.add(row, dy.row(static_cast<std::int64_t>(i)), row, dy.shape.last());
        }
      });
}

void TapeOps::begin_scope() {
  State& s = *state_;
  if (s.depth++ == 0) ++s.scopes;
  s.tape.begin_scope(s.scopes <= s.options.forgotten_scopes);
}

FloatTensor TapeOps::end_scope(const FloatTensor& keep) {
  --state_->depth;
  return state_->tape.end_scope(keep);
}

void TapeOps::leaf(const FloatTensor& x) { state_->tape.leaf(x); }

void TapeOps::backward(const FloatTensor& result, const FloatTensor& gradient) {
  state_->tape.backward(result, gradient);
}

FloatTensor TapeOps::gradient_of(const FloatTensor& leaf) {
  return state_->tape.gradient(state_->tape.operand(leaf));
}

std::size_t TapeOps::bytes() const { return state_->tape.bytes(); }

void TapeOps::reset() {
  state_->tape.reset();
  state_->scopes = 0;
}

// --- Attention and experts ----------------------------------------------------------------------

namespace {

// A Batch whose spans are its own; the sequences' caches stay the caller's.
struct OwnBatch {
  std::vector<SequenceRows> sequences;
  Batch view() const { return {.tokens = {}, .positions = {}, .sequences = sequences}; }
};

AttentionConfig config_of(const AttentionSpec& spec, const KvType& type) {
  return {.query_heads = spec.heads,
          .kv_heads = spec.kv_heads,
          .key_width = spec.key_width,
          .value_width = spec.value_width,
          .scale = spec.scale,
          .window = spec.window,
          .kv_type = type};
}

}  // namespace

FloatTensor TapeOps::attention(const FloatTensor& queries, const FloatTensor& keys,
                               const FloatTensor& values, const AttentionSpec& spec,
                               const Batch& batch, std::int64_t layer) {
  State& s = *state_;
  const Tape::Operand q = s.tape.operand(queries), k = s.tape.operand(keys),
                      v = s.tape.operand(values);
  const OwnBatch mine{{batch.sequences.begin(), batch.sequences.end()}};
  for (const SequenceRows& rows : mine.sequences) CHECK(rows.first_position == 0);
  const bool wanted = s.tape.wanted(q) || s.tape.wanted(k) || s.tape.wanted(v);
  return s.record(
      wanted,
      [&s, q, k, v, spec, mine, layer] {
        return s.forward.attention(s.tape.numbers(q), s.tape.numbers(k), s.tape.numbers(v), spec,
                                   mine.view(), layer);
      },
      [&s, q, k, v, spec, mine, layer](const FloatTensor& dy) {
        if (mine.sequences.empty()) return;
        const Arena::Mark mark = s.arena.mark();
        FloatTensor d_queries = s.tape.gradient(q), d_keys = s.tape.gradient(k),
                    d_values = s.tape.gradient(v);
        for (FloatTensor* side : {&d_queries, &d_keys, &d_values})
          if (side->data == nullptr) *side = s.arena.alloc_floats(side->shape);
        const FloatTensor in = s.tape.numbers(q);
        std::vector<AttentionGradient> sequences;
        for (const SequenceRows& rows : mine.sequences) {
          sequences.push_back({.forward = {.queries = in.row(rows.first_row),
                                           .query_stride = in.shape.last(),
                                           .query_count = rows.count,
                                           .key_blocks = rows.kv->keys(layer),
                                           .value_blocks = rows.kv->values(layer)},
                               .d_out = dy.row(rows.first_row),
                               .d_out_stride = dy.shape.last(),
                               .d_queries = d_queries.row(rows.first_row),
                               .d_keys = d_keys.row(rows.first_row),
                               .d_values = d_values.row(rows.first_row),
                               .d_query_stride = d_queries.shape.last(),
                               .d_key_stride = d_keys.shape.last(),
                               .d_value_stride = d_values.shape.last()});
        }
        const KvType& type = mine.sequences.front().kv->layout().type();
        attention_backward(s.kernels, s.pool, s.arena, config_of(spec, type), sequences);
        s.arena.rewind(mark);
      });
}

Routing TapeOps::route(const FloatTensor& logits, std::int64_t used, bool normalize) {
  State& s = *state_;
  const Tape::Operand input = s.tape.operand(logits);
  auto expert = std::make_shared<std::vector<std::int32_t>>();
  const Tape::Operand share = s.tape.next_output(0, Shape{logits.shape[0], used});
  const FloatTensor weight = s.record(
      s.tape.wanted(input),
      [&s, input, used, normalize, expert] {
        Routing routing = s.forward.route(s.tape.numbers(input), used, normalize);
        *expert = std::move(routing.expert);
        return routing.weight;
      },
      [&s, input, used, normalize, expert, share](const FloatTensor& dy) {
        const FloatTensor in = s.tape.numbers(input), dx = s.tape.gradient(input);
        const FloatTensor shares = s.tape.numbers(share);
        const std::int64_t experts = in.shape.last();
        std::vector<float> p(static_cast<std::size_t>(experts)), dp(p.size());
        for (std::int64_t t = 0; t < in.shape.rows(); ++t) {
          std::copy_n(in.row(t), experts, p.begin());
          s.kernels.softmax(p.data(), experts);
          std::ranges::fill(dp, 0.0F);
          // Of w = p / S: dp = (dw - Σ dw w) / S.
          float sum = 0, mean = 0;
          for (std::int64_t u = 0; u < used; ++u) {
            sum += p[static_cast<std::size_t>((*expert)[static_cast<std::size_t>(t * used + u)])];
            mean += dy.row(t)[u] * shares.row(t)[u];
          }
          for (std::int64_t u = 0; u < used; ++u) {
            const auto e =
                static_cast<std::size_t>((*expert)[static_cast<std::size_t>(t * used + u)]);
            dp[e] = normalize ? (dy.row(t)[u] - mean) / sum : dy.row(t)[u];
          }
          s.kernels.softmax_backward(p.data(), 1.0F, dp.data(), experts);
          s.kernels.add(dx.row(t), dp.data(), dx.row(t), experts);
        }
      });
  return {.used = used, .expert = *expert, .weight = weight};
}

FloatTensor TapeOps::mix(std::span<const FloatTensor> parts, const Routing& routing) {
  State& s = *state_;
  const Tape::Operand share = s.tape.operand(routing.weight);
  bool wanted = s.tape.wanted(share);
  std::vector<Tape::Operand> inputs;
  for (const FloatTensor& part : parts) {
    inputs.push_back(part.data == nullptr ? Tape::Operand() : s.tape.operand(part));
    wanted = wanted || s.tape.wanted(inputs.back());
  }
  const std::int64_t used = routing.used;
  return s.record(
      wanted,
      [&s, inputs, share, used, expert = routing.expert] {
        std::vector<FloatTensor> now;
        for (const Tape::Operand& input : inputs) now.push_back(s.tape.numbers(input));
        return s.forward.mix(now,
                             {.used = used, .expert = expert, .weight = s.tape.numbers(share)});
      },
      [&s, inputs, share, used, expert = routing.expert](const FloatTensor& dy) {
        const FloatTensor weights = s.tape.numbers(share), d_weights = s.tape.gradient(share);
        std::vector<std::int64_t> next(inputs.size(), 0);  // row of each part
        for (std::int64_t t = 0; t < dy.shape.rows(); ++t) {
          for (std::int64_t u = 0; u < used; ++u) {
            const auto e = static_cast<std::size_t>(expert[static_cast<std::size_t>(t * used + u)]);
            const std::int64_t row = next[e]++;
            const FloatTensor part = s.tape.numbers(inputs[e]), d_part = s.tape.gradient(inputs[e]);
            if (d_part.data != nullptr)
              s.kernels.add_scaled(dy.row(t), weights.row(t)[u], d_part.row(row), dy.shape.last());
            if (d_weights.data != nullptr)
              d_weights.row(t)[u] += s.kernels.dot(part.row(row), dy.row(t), dy.shape.last());
          }
        }
      });
}

}  // namespace bantam
