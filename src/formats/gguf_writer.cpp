#include "formats/gguf_writer.h"

#include <algorithm>
#include <new>
#include <unordered_set>

#include "base/unicode.h"
#include "formats/gguf_reader.h"
#include "formats/gguf_values.h"
#include "formats/limits.h"

namespace bantam {
namespace {

constexpr std::uint64_t kMask = kGgufDefaultAlignment - 1;
constexpr std::string_view kAlignmentKey = "general.alignment";

std::uint64_t padded(std::uint64_t size) { return (size + kMask) & ~kMask; }

std::uint64_t data_bytes(const GgufTensorPlan& plan) {
  return TensorView{plan.dtype, plan.shape, nullptr}.bytes();
}

Result<void> check_name(std::string_view name, std::uint64_t limit, std::string_view what) {
  if (name.empty() || name.find('\0') != name.npos || !is_valid_utf8(name))
    return fail(ErrorKind::kMalformed, "gguf_invalid", "{} {} is not UTF-8 text without NUL", what,
                quoted(name));
  if (name.size() > limit)
    return fail(ErrorKind::kUnsupported, "gguf_cannot_hold",
                "{} {} has {} bytes, the limit of GGUF is {}", what, quoted(name), name.size(),
                limit);
  return {};
}

Result<void> check_plan(const GgufTensorPlan& plan) {
  TRY(check_name(plan.name, limits::kGgufNameBytes, "tensor name"));
  const DTypeInfo& info = dtype_info(plan.dtype);
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::kUnsupported, "gguf_cannot_hold", "tensor {}: GGUF has no {}",
                quoted(plan.name), why);
  };
  if (info.gguf_id < 0) return refuse(fmt::format("type {}", info.name));
  if (plan.shape.rank() == 0) return refuse("tensor without a dimension");
  for (std::size_t i = 0; i < plan.shape.rank(); ++i)
    if (plan.shape[i] == 0) return refuse("empty tensor");
  if (!row_bytes(plan.dtype, static_cast<std::uint64_t>(plan.shape.last())))
    return fail(ErrorKind::kUnsupported, "gguf_cannot_hold",
                "tensor {}: a row of {} is no whole number of {} blocks", quoted(plan.name),
                plan.shape.last(), info.name);
  return {};
}

// Limits of the reader that a string value may break.
Result<void> check_value(std::string_view key, const MetaValue& value) {
  const auto check = [&](std::string_view text, std::uint64_t limit) -> Result<void> {
    if (text.size() <= limit) return {};
    return fail(ErrorKind::kTooLarge, "gguf_cannot_hold",
                "key {}: a string of {} bytes, the limit is {}", quoted(key), text.size(), limit);
  };
  if (const auto* text = std::get_if<std::string>(&value.value))
    return check(*text, limits::kGgufStringBytes);
  if (const auto* array = std::get_if<MetaArray>(&value.value))
    for (const std::string& text : array->strings) TRY(check(text, limits::kGgufElementBytes));
  return {};
}

void append_tensor(std::string& out, const GgufTensorPlan& plan, std::uint64_t offset) {
  append_gguf_string(out, plan.name);
  append_bytes(out, static_cast<std::uint32_t>(plan.shape.rank()));
  for (std::size_t i = plan.shape.rank(); i > 0; --i)
    append_bytes(out, static_cast<std::uint64_t>(plan.shape[i - 1]));
  append_bytes(out, static_cast<std::uint32_t>(dtype_info(plan.dtype).gguf_id));
  append_bytes(out, offset);
}

}  // namespace

Result<std::string> gguf_header_bytes(const Metadata& metadata,
                                      std::span<const GgufTensorPlan> tensors) {
  const bool has_alignment = metadata.contains(kAlignmentKey);
  std::string out = "GGUF";
  append_bytes(out, std::uint32_t{3});
  append_bytes(out, std::uint64_t{tensors.size()});
  append_bytes(out, std::uint64_t{metadata.entries().size() - (has_alignment ? 1 : 0)});
  for (const auto& [key, value] : metadata.entries()) {
    if (key == kAlignmentKey) continue;
    TRY(check_name(key, limits::kGgufKeyBytes, "key"));
    TRY(check_value(key, value));
    append_gguf_string(out, key);
    append_bytes(out, static_cast<std::uint32_t>(value.type));
    append_gguf_value(out, value);
  }
  std::unordered_set<std::string_view> names;
  std::uint64_t offset = 0;
  for (const GgufTensorPlan& plan : tensors) {
    TRY(check_plan(plan));
    CHECK(names.insert(plan.name).second, "tensor {} twice", plan.name);
    append_tensor(out, plan, offset);
    offset += padded(data_bytes(plan));
  }
  out.resize(padded(out.size()), '\0');
  return out;
}

Result<GgufWriter> GgufWriter::create(const std::filesystem::path& path, const Metadata& metadata,
                                      std::vector<GgufTensorPlan> tensors) {
  try {
    const std::string header = TRY(gguf_header_bytes(metadata, tensors));
    GgufWriter writer(TRY(AtomicFile::create(path)));
    writer.total_ = header.size();
    for (const GgufTensorPlan& plan : tensors) writer.total_ += padded(data_bytes(plan));
    writer.tensors_ = std::move(tensors);
    if (!writer.tensors_.empty()) writer.left_ = data_bytes(writer.tensors_.front());
    TRY(writer.file_.reserve(writer.total_));
    TRY(writer.file_.write(header));
    return writer;
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::kTooLarge, "out_of_memory", "no memory for the header of {}",
                path.string());
  }
}

Result<void> GgufWriter::finish_tensor() {
  const std::string padding(padded(file_.written()) - file_.written(), '\0');
  TRY(file_.write(padding));
  ++current_;
  if (current_ < tensors_.size()) left_ = data_bytes(tensors_[current_]);
  return {};
}

Result<void> GgufWriter::write(std::span<const std::byte> bytes) {
  CHECK(current_ < tensors_.size() && bytes.size() <= left_, "{} bytes more than planned",
        bytes.size());
  TRY(file_.write(bytes));
  left_ -= bytes.size();
  return left_ == 0 ? finish_tensor() : Result<void>{};
}

Result<void> GgufWriter::commit() {
  CHECK(current_ == tensors_.size(), "tensor {} of {} is not complete", current_, tensors_.size());
  CHECK(file_.written() == total_);
  return file_.commit();
}

Result<void> write_gguf(const std::filesystem::path& path, const WeightFile& file) {
  std::vector<GgufTensorPlan> plans;
  for (const NamedTensor& tensor : file.tensors())
    plans.push_back({tensor.name, tensor.view.dtype, tensor.view.shape});
  GgufWriter writer = TRY(GgufWriter::create(path, file.metadata, std::move(plans)));
  for (const NamedTensor& tensor : file.tensors())
    TRY(writer.write({tensor.view.data, static_cast<std::size_t>(tensor.view.bytes())}));
  return writer.commit();
}

}  // namespace bantam
