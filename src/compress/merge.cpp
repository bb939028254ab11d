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
  const std::byte* weight = nullptr;
  std::size_t rank = 0;
  double scale = 0;
  std::vector<double> a, b;  // (r, in), (out, r)
  std::vector<double> gain;  // (out), or empty
};

class AdapterEditor final : public RowEditor {
 public:
  AdapterEditor(const Decoder& adapted, const Recipe& recipe, const Compensation* compensation)
      : compensation_(compensation) {
    DecoderWeights weights = adapted.weights();
    for_each_linear(weights, [&](const std::string& name, std::int64_t, Linear& layer) {
      Stack& stack = stacks_[name];
      stack.outputs = layer.outputs();
      stack.matrices.push_back(change_of(layer));
      stack.adapted = stack.adapted || layer.low_rank.present();
    });
    const WeightFile& file = *adapted.file();
    const std::vector<DType> types = plan_types(recipe, file);
    for (std::size_t i = 0; i < types.size(); ++i) {
      const auto found = stacks_.find(file.tensors()[i].name);
      if (found != stacks_.end())
        found->second.repacked =
            compensation != nullptr && types[i] != file.tensors()[i].view.dtype;
    }
    std::erase_if(
        stacks_, [](const auto& entry) { return !entry.second.adapted && !entry.second.repacked; });
  }

  bool adapts(std::string_view tensor) const {
    const auto found = stacks_.find(tensor);
    return found != stacks_.end() && found->second.adapted;
  }
  bool adapts_any() const {
    return std::ranges::any_of(stacks_, [](const auto& entry) { return entry.second.adapted; });
  }
  bool edits(std::string_view tensor) const override { return stacks_.contains(tensor); }

  void edit(std::string_view tensor, std::int64_t row, std::span<float> values) const override {
    const Stack& stack = stacks_.find(tensor)->second;
    const Change& change = stack.of_row(row);
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

  void encode(std::string_view tensor, std::int64_t row, const Codec& codec,
              std::span<const float> values, std::byte* out) const override {
    const std::byte* weight = stacks_.find(tensor)->second.of_row(row).weight;
    const DTypeInfo& type = dtype_info(codec.type);
    if (compensation_ != nullptr && compensation_->knows(weight) && type.block_elements > 1 &&
        type.row_header_bytes == 0) {
      compensation_->encode(weight, codec, values, out);
    } else {
      codec.encode(values, {}, out);
    }
  }

 private:
  struct Stack {
    std::int64_t outputs = 0;
    bool adapted = false, repacked = false;
    std::vector<Change> matrices;  // one, or one an expert
    const Change& of_row(std::int64_t row) const {
      return matrices[static_cast<std::size_t>(row / outputs)];
    }
  };

  static Change change_of(const Linear& layer) {
    const LowRank& low = layer.low_rank;
    if (!low.present()) return {.weight = layer.weight.data};
    return {.weight = layer.weight.data,
            .rank = static_cast<std::size_t>(low.a.shape[0]),
            .scale = double{low.scale},
            .a = decoded(low.a),
            .b = decoded(low.b),
            .gain = low.gain.data == nullptr ? std::vector<double>{} : decoded(low.gain)};
  }

  std::map<std::string, Stack, std::less<>> stacks_;
  const Compensation* compensation_;
};

}  // namespace

Result<ConvertReport> merge_adapter(const Decoder& adapted, ConvertOptions options,
                                    const Compensation* compensation, ThreadPool& pool) {
  CHECK(options.editor == nullptr && options.recipe != nullptr);
  const AdapterEditor editor(adapted, *options.recipe, compensation);
  if (!editor.adapts_any())
    return fail(ErrorKind::kUsage, "nothing_adapted", "no layer of the model has an adapter");
  if (editor.adapts("token_embd.weight"))
    return fail(ErrorKind::kUnsupported, "merge_shared",
                "the adapted head is the embedding, too, which must not change");
  options.editor = &editor;
  return convert(*adapted.file(), options, pool);
}

}  // namespace bantam
