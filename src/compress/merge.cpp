#include "compress/merge.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "codec/codec.h"

namespace bantam {
namespace {

std::vector<double> decoded(const TensorView& view) {
  std::vector<double> values;
  std::vector<float> row(static_cast<std::size_t>(view.shape.last()));
  const Codec* codec = find_codec(view.dtype);
  CHECK(codec != nullptr);
  for (std::int64_t i = 0; i < view.shape.rows(); ++i) {
    codec->decode(view.row(i), row);
    values.insert(values.end(), row.begin(), row.end());
  }
  return values;
}

// What is added to a matrix; one of a stack of experts that has no adapter adds nothing.
struct Change {
  std::size_t rank = 0;
  double scale = 0;
  std::vector<double> a, b;  // (r, in), (out, r)
  std::vector<double> gain;  // (out), or empty
};

class AdapterEditor final : public RowEditor {
 public:
  explicit AdapterEditor(const Decoder& adapted) {
    DecoderWeights weights = adapted.weights();
    for_each_linear(weights, [&](const std::string& name, std::int64_t, Linear& layer) {
      Stack& stack = stacks_[name];
      stack.outputs = layer.outputs();
      stack.matrices.push_back(change_of(layer.low_rank));
    });
    std::erase_if(stacks_, [](const auto& entry) {
      return std::ranges::none_of(entry.second.matrices,
                                  [](const Change& change) { return change.rank > 0; });
    });
  }

  bool empty() const { return stacks_.empty(); }
  bool edits(std::string_view tensor) const override { return stacks_.contains(tensor); }

  void edit(std::string_view tensor, std::int64_t row, std::span<float> values) const override {
    const Stack& stack = stacks_.find(tensor)->second;
    const Change& change = stack.matrices[static_cast<std::size_t>(row / stack.outputs)];
    if (change.rank == 0) return;
    const auto n = static_cast<std::size_t>(row % stack.outputs);
    std::vector<double> sum(values.begin(), values.end());
    for (std::size_t r = 0; r < change.rank; ++r) {
      const double factor = change.scale * change.b[n * change.rank + r];
      const double* a = change.a.data() + r * values.size();
      for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += factor * a[k];
    }
    const double gain = change.gain.empty() ? 1 : change.gain[n];
    for (std::size_t k = 0; k < sum.size(); ++k) values[k] = static_cast<float>(gain * sum[k]);
  }

 private:
  struct Stack {
    std::int64_t outputs = 0;
    std::vector<Change> matrices;  // one, or one an expert
  };

  static Change change_of(const LowRank& low) {
    if (!low.present()) return {};
    return {.rank = static_cast<std::size_t>(low.a.shape[0]),
            .scale = double{low.scale},
            .a = decoded(low.a),
            .b = decoded(low.b),
            .gain = low.gain.data == nullptr ? std::vector<double>{} : decoded(low.gain)};
  }

  std::map<std::string, Stack, std::less<>> stacks_;
};

}  // namespace

Result<ConvertReport> merge_adapter(const Decoder& adapted, ConvertOptions options,
                                    ThreadPool& pool) {
  CHECK(options.editor == nullptr);
  const AdapterEditor editor(adapted);
  if (editor.empty())
    return fail(ErrorKind::kUsage, "nothing_adapted", "no layer of the model has an adapter");
  if (editor.edits("token_embd.weight"))
    return fail(ErrorKind::kUnsupported, "merge_shared",
                "the adapted head is the embedding, too, which must not change");
  options.editor = &editor;
  return convert(*adapted.file(), options, pool);
}

}  // namespace bantam
