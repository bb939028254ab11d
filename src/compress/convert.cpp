#include "compress/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <new>

#include "codec/codec.h"
#include "formats/gguf_writer.h"
#include "tokenizer/import.h"

namespace bantam {
namespace {

// Floats of a panel: with their packed forms some 8 MB, enough to keep every thread busy.
constexpr std::uint64_t kPanelElements = 1u << 20;

struct Errors {
  double squared_error = 0, squares = 0;
  double relative() const { return squares > 0 ? std::sqrt(squared_error / squares) : 0; }
  void add(const Errors& other) {
    squared_error += other.squared_error;
    squares += other.squares;
  }
};

// What one row was found to be; summed in the order of rows, so that threads change nothing.
struct RowResult {
  Errors errors;
  std::int64_t not_finite = -1;    // first such element of the input
  std::int64_t out_of_range = -1;  // first one that the type could not hold
};

class TensorConverter {
 public:
  // `editor` is null if it leaves the tensor as it is.
  TensorConverter(const NamedTensor& tensor, DType type, const RowEditor* editor, ThreadPool& pool)
      : tensor_(tensor), type_(type), editor_(editor), pool_(pool) {}

  // Converts all rows and writes them; `after_panel` gets the rows done so far.
  template <typename AfterPanel>
  Result<Errors> run(GgufWriter& writer, AfterPanel after_panel) {
    const TensorView& in = tensor_.view;
    const auto rows = static_cast<std::uint64_t>(in.shape.rows());
    const auto length = static_cast<std::uint64_t>(in.shape.last());
    const bool same = in.dtype == type_ && editor_ == nullptr;
    const Codec* decoder = find_codec(in.dtype);
    if (decoder == nullptr && !same) decoder = TRY(decoder_for(in.dtype));
    if (!same) encoder_ = TRY(encoder_for(type_));

    const std::uint64_t panel_rows = std::max<std::uint64_t>(1, kPanelElements / length);
    Errors total;
    for (std::uint64_t first = 0; first < rows; first += panel_rows) {
      const std::uint64_t count = std::min(panel_rows, rows - first);
      // A type that nothing here can decode is copied unseen.
      if (decoder != nullptr) total.add(TRY(panel(*decoder, first, count)));
      const std::byte* packed = same ? in.row(static_cast<std::int64_t>(first)) : packed_.data();
      TRY(writer.write({packed, count * *row_bytes(type_, length)}));
      TRY(after_panel(first + count));
    }
    return total;
  }

 private:
  Result<Errors> panel(const Codec& decoder, std::uint64_t first, std::uint64_t count) {
    const auto length = static_cast<std::size_t>(tensor_.view.shape.last());
    const std::uint64_t out_bytes = *row_bytes(type_, length);
    if (encoder_ != nullptr) packed_.resize(count * out_bytes);
    results_.assign(count, {});
    scratch_.resize(pool_.size());
    pool_.parallel_for(count, 1, [&](std::size_t begin, std::size_t end, std::size_t worker) {
      std::vector<float>& scratch = scratch_[worker];
      scratch.resize(2 * length);
      for (std::size_t row = begin; row < end; ++row)
        results_[row] = one_row(decoder, first + row, packed_.data() + row * out_bytes,
                                std::span(scratch).first(length), std::span(scratch).last(length));
    });
    Errors total;
    for (std::uint64_t row = 0; row < count; ++row) {
      TRY(check(results_[row], first + row));
      total.add(results_[row].errors);
    }
    return total;
  }

  RowResult one_row(const Codec& decoder, std::uint64_t row, std::byte* out,
                    std::span<float> values, std::span<float> back) const {
    RowResult result;
    decoder.decode(tensor_.view.row(static_cast<std::int64_t>(row)), values);
    if (editor_ != nullptr) editor_->edit(tensor_.name, static_cast<std::int64_t>(row), values);
    const auto first_bad = [](std::span<const float> floats) {
      const auto bad = std::ranges::find_if(floats, [](float x) { return !std::isfinite(x); });
      return bad == floats.end() ? -1 : bad - floats.begin();
    };
    result.not_finite = first_bad(values);
    if (result.not_finite >= 0) return result;
    float largest = 0;
    for (const float value : values) {
      result.errors.squares += double{value} * double{value};
      largest = std::max(largest, std::abs(value));
    }
    if (encoder_ == nullptr) return result;
    if (editor_ != nullptr) {
      editor_->encode(tensor_.name, static_cast<std::int64_t>(row), *encoder_, values, out);
    } else {
      encoder_->encode(values, {}, out);
    }
    encoder_->decode(out, back);
    // Encoders saturate. No type rounds by half the largest value of a row, so an error as large
    // means that it was out of reach. (Small values may vanish, which harms nothing.)
    const double bound = largest > 1 ? 0.5 * double{largest} : 1;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double error = double{back[i]} - double{values[i]};
      result.errors.squared_error += error * error;
      if (!(std::abs(error) <= bound) && result.out_of_range < 0)
        result.out_of_range = static_cast<std::int64_t>(i);
    }
    return result;
  }

  Result<void> check(const RowResult& result, std::uint64_t row) const {
    if (result.not_finite < 0 && result.out_of_range < 0) return {};
    const bool bad_input = result.not_finite >= 0;
    auto error =
        (bad_input ? fail(ErrorKind::kMalformed, "not_finite", "the value is no finite number")
                   : fail(ErrorKind::kUnsupported, "out_of_range", "{} cannot hold the value",
                          dtype_info(type_).name))
            .error();
    error.where = fmt::format("tensor {}, row {}, element {}", quoted(tensor_.name), row,
                              bad_input ? result.not_finite : result.out_of_range);
    if (!bad_input) error.hint = "BF16 and F32 hold every float";
    return std::unexpected(std::move(error));
  }

  const NamedTensor& tensor_;
  DType type_;
  const RowEditor* editor_;
  ThreadPool& pool_;
  const Codec* encoder_ = nullptr;  // null when rows are copied
  std::vector<std::byte> packed_;
  std::vector<RowResult> results_;
  std::vector<std::vector<float>> scratch_;
};

bool is_blocks(DType type) { return dtype_info(type).block_elements > 1; }

const RowEditor* editor_of(const RowEditor* editor, const NamedTensor& tensor) {
  return editor != nullptr && editor->edits(tensor.name) ? editor : nullptr;
}

// Everything that can fail for want of a codec fails before the first byte is written.
Result<void> check_codecs(const WeightFile& in, std::span<const DType> types,
                          const RowEditor* editor) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    const NamedTensor& tensor = in.tensors()[i];
    if (tensor.view.dtype == types[i] && editor_of(editor, tensor) == nullptr) continue;
    const auto in_tensor = [&](const Error& error) {
      return std::unexpected(error.in(fmt::format("tensor {}", quoted(tensor.name))));
    };
    if (const auto found = decoder_for(tensor.view.dtype); !found) return in_tensor(found.error());
    if (const auto found = encoder_for(types[i]); !found) return in_tensor(found.error());
  }
  return {};
}

Result<Metadata> output_metadata(const WeightFile& in, const Recipe& recipe) {
  Metadata metadata = in.metadata;
  TRY(canonicalize_tokenizer(metadata));
  return recipe_metadata(std::move(metadata), recipe);
}

// Collects what the report says, type by type.
class ReportBuilder {
 public:
  void add(const NamedTensor& tensor, DType type, const Errors& errors) {
    auto& [entry, sum] =
        types_.try_emplace(type, ConvertedType{.type = type}, Errors{}).first->second;
    const auto elements = static_cast<std::uint64_t>(tensor.view.shape.elements());
    const std::uint64_t bytes = TensorView{type, tensor.view.shape, nullptr}.bytes();
    entry.tensors += 1;
    entry.elements += elements;
    entry.bytes += bytes;
    sum.add(errors);
    all_.add(errors);
    report_.elements += elements;
    report_.tensor_bytes_in += tensor.view.bytes();
    report_.tensor_bytes_out += bytes;
    if (type != tensor.view.dtype && is_blocks(type) && is_blocks(tensor.view.dtype))
      ++report_.requantized;
  }

  ConvertReport finish(std::uint64_t file_bytes) {
    for (auto& [type, pair] : types_) {
      pair.first.relative_error = pair.second.relative();
      report_.types.push_back(pair.first);
    }
    report_.file_bytes = file_bytes;
    report_.relative_error = all_.relative();
    if (report_.elements > 0)
      report_.bits_per_weight = 8.0 * static_cast<double>(report_.tensor_bytes_out) /
                                static_cast<double>(report_.elements);
    return std::move(report_);
  }

 private:
  std::map<DType, std::pair<ConvertedType, Errors>> types_;
  Errors all_;
  ConvertReport report_;
};

Result<ConvertReport> convert_all(const WeightFile& in, const ConvertOptions& options,
                                  ThreadPool& pool) {
  const std::vector<DType> types = plan_types(*options.recipe, in);
  TRY(check_codecs(in, types, options.editor));
  const Metadata metadata = TRY(output_metadata(in, *options.recipe));
  std::vector<GgufTensorPlan> plans;
  ConvertProgress progress{.tensors = in.tensors().size(), .name = {}};
  for (std::size_t i = 0; i < types.size(); ++i) {
    const NamedTensor& tensor = in.tensors()[i];
    plans.push_back({tensor.name, types[i], tensor.view.shape});
    progress.total += static_cast<std::uint64_t>(tensor.view.shape.elements());
  }
  GgufWriter writer = TRY(GgufWriter::create(options.out, metadata, std::move(plans)));
  ReportBuilder report;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const NamedTensor& tensor = in.tensors()[i];
    const auto length = static_cast<std::uint64_t>(tensor.view.shape.last());
    const std::uint64_t before = progress.done;
    progress.tensor = i;
    progress.name = tensor.name;
    const auto after_panel = [&](std::uint64_t rows) -> Result<void> {
      progress.done = before + rows * length;
      if (!options.progress || options.progress(progress)) return {};
      return fail(ErrorKind::kCancelled, "cancelled", "the conversion was cancelled");
    };
    const Errors errors =
        TRY(TensorConverter(tensor, types[i], editor_of(options.editor, tensor), pool)
                .run(writer, after_panel));
    report.add(tensor, types[i], errors);
  }
  const std::uint64_t file_bytes = writer.file_bytes();
  TRY(writer.commit());
  return report.finish(file_bytes);
}

}  // namespace

void RowEditor::encode(std::string_view, std::int64_t, const Codec& codec,
                       std::span<const float> values, std::byte* out) const {
  codec.encode(values, {}, out);
}

Result<ConvertReport> convert(const WeightFile& in, const ConvertOptions& options,
                              ThreadPool& pool) {
  CHECK(options.recipe != nullptr);
  try {
    return convert_all(in, options, pool);
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::kTooLarge, "out_of_memory", "no memory to convert {}",
                options.out.string());
  }
}

}  // namespace bantam
