#include "train/parameters.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "codec/codec.h"
#include "kernels/rowwise.h"

namespace bantam {
namespace {

constexpr std::size_t kStretch = 1024;  // of the norm: so many floats are one float sum

std::size_t image_bytes(const Parameter& parameter) {
  if (parameter.type == DType::kF32) return 0;
  const Codec* codec = find_codec(parameter.type);
  CHECK(codec != nullptr && codec->encode != nullptr, "{} as {}", parameter.name,
        dtype_info(parameter.type).name);
  const auto row = row_bytes(parameter.type, static_cast<std::uint64_t>(parameter.shape.last()));
  CHECK(row.has_value(), "{}: rows of {} as {}", parameter.name, parameter.shape.last(),
        dtype_info(parameter.type).name);
  const std::size_t bytes = static_cast<std::size_t>(parameter.shape.rows()) * *row;
  return (bytes + Arena::kAlignment - 1) / Arena::kAlignment * Arena::kAlignment;
}

// Where `at` lies behind `begin`, if it lies before `end`. (std::less orders pointers into
// different objects, too.)
template <typename T>
std::optional<std::int64_t> offset_in(const T* at, const T* begin, const T* end) {
  const std::less<const T*> before;
  if (at == nullptr || before(at, begin) || !before(at, end)) return std::nullopt;
  return at - begin;
}

}  // namespace

TensorView Parameter::view() const {
  if (image != nullptr) return {type, shape, image};
  return {DType::kF32, shape, reinterpret_cast<const std::byte*>(value)};
}

Result<std::unique_ptr<Parameters>> Parameters::create(std::vector<Parameter> outlines) {
  auto made = std::unique_ptr<Parameters>(new Parameters);
  std::size_t total = 0, tied = 0, images = 0;
  for (const Parameter& parameter : outlines) {
    CHECK(std::ranges::count(outlines, parameter.name, &Parameter::name) == 1, "{} twice",
          parameter.name);
    total += static_cast<std::size_t>(parameter.size());
    if (parameter.tied) tied += static_cast<std::size_t>(parameter.size());
    images += image_bytes(parameter);
  }
  TRY(made->arena_.reserve((2 * total + tied) * sizeof(float) + images + 4 * Arena::kAlignment));
  made->values_ = made->arena_.alloc_span<float>(total);
  made->gradients_ = made->arena_.alloc_span<float>(total);
  made->lookups_ = made->arena_.alloc_span<float>(tied);
  made->images_ = made->arena_.alloc_span<std::byte>(images);
  std::ranges::fill(made->values_, 0.0F);
  std::ranges::fill(made->images_, std::byte{0});
  made->zero_gradients();
  std::size_t at = 0, lookup = 0, image = 0;
  for (Parameter& parameter : outlines) {
    if (const std::size_t bytes = image_bytes(parameter); bytes > 0) {
      parameter.image = made->images_.data() + image;
      image += bytes;
    }
    parameter.value = made->values_.data() + at;
    parameter.gradient = made->gradients_.data() + at;
    parameter.lookup_gradient =
        parameter.tied ? made->lookups_.data() + lookup : parameter.gradient;
    at += static_cast<std::size_t>(parameter.size());
    if (parameter.tied) lookup += static_cast<std::size_t>(parameter.size());
  }
  made->parameters_ = std::move(outlines);
  return made;
}

const Parameter* Parameters::find(std::string_view name) const {
  const auto found = std::ranges::find(parameters_, name, &Parameter::name);
  return found == parameters_.end() ? nullptr : &*found;
}

float* Parameters::gradient_of(const TensorView& view) const {
  const auto* first = reinterpret_cast<const float*>(view.data);
  if (const auto at = offset_in(first, values_.data(), values_.data() + values_.size()))
    return gradients_.data() + *at;
  if (!offset_in<std::byte>(view.data, images_.data(), images_.data() + images_.size()))
    return nullptr;
  for (const Parameter& parameter : parameters_) {
    if (parameter.image == nullptr) continue;
    const TensorView whole = parameter.view();
    const auto at = offset_in<std::byte>(view.data, whole.data, whole.data + whole.bytes());
    if (!at) continue;
    const auto row = static_cast<std::int64_t>(whole.bytes_per_row());
    CHECK(*at % row == 0 && view.shape.last() == whole.shape.last());
    return parameter.gradient + *at / row * whole.shape.last();
  }
  return nullptr;
}

float* Parameters::lookup_gradient_of(const TensorView& view) const {
  if (view.data == nullptr) return nullptr;
  const auto found = std::ranges::find(
      parameters_, view.data, [](const Parameter& parameter) { return parameter.view().data; });
  return found == parameters_.end() ? nullptr : found->lookup_gradient;
}

void Parameters::refresh(ThreadPool& pool) {
  for (const Parameter& parameter : parameters_) {
    if (parameter.image == nullptr) continue;
    const TensorView image = parameter.view();
    const auto encode = find_codec(image.dtype)->encode;
    const auto width = static_cast<std::size_t>(image.shape.last());
    for_each_row(pool, image.shape.rows(), image.shape.last(), [&](std::int64_t row) {
      encode(parameter.values().subspan(static_cast<std::size_t>(row) * width, width), {},
             const_cast<std::byte*>(image.row(row)));
    });
  }
  if (follow_) follow_(pool);
}

void Parameters::zero_gradients() {
  std::ranges::fill(gradients_, 0.0F);
  std::ranges::fill(lookups_, 0.0F);
}

void Parameters::join(const KernelTable& kernels) {
  for (const Parameter& parameter : parameters_)
    if (parameter.tied)
      kernels.add(parameter.gradient, parameter.lookup_gradient, parameter.gradient,
                  parameter.size());
  std::ranges::fill(lookups_, 0.0F);
}

double Parameters::gradient_norm(const KernelTable& kernels) const {
  double total = 0;
  for (std::size_t at = 0; at < gradients_.size(); at += kStretch) {
    const std::span<float> part =
        gradients_.subspan(at, std::min(kStretch, gradients_.size() - at));
    total += static_cast<double>(
        kernels.dot(part.data(), part.data(), static_cast<std::int64_t>(part.size())));
  }
  return std::sqrt(total);
}

}  // namespace bantam
