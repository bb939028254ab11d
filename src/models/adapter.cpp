#include "models/adapter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <system_error>
#include <utility>

#include "base/sha256.h"
#include "codec/codec.h"
#include "models/adapter_layers.h"

namespace bantam {
namespace {

using LayerKey = std::pair<std::string, std::int64_t>;

std::vector<float> decoded(const TensorView& view) {
  std::vector<float> values(static_cast<std::size_t>(view.shape.elements()));
  const auto width = static_cast<std::size_t>(view.shape.last());
  const Codec* codec = find_codec(view.dtype);
  CHECK(codec != nullptr);
  for (std::int64_t row = 0; row < view.shape.rows(); ++row)
    codec->decode(view.row(row),
                  std::span(values).subspan(static_cast<std::size_t>(row) * width, width));
  return values;
}

// DoRA: both as floats that `file` owns.
void add_magnitude(WeightFile& file, Linear& layer, const TensorView& magnitude) {
  const auto outputs = static_cast<std::size_t>(layer.outputs());
  const auto own = [&] {
    return std::span(reinterpret_cast<float*>(file.own_buffer(outputs * sizeof(float))), outputs);
  };
  const auto view = [](std::span<const float> values) {
    return TensorView{DType::kF32, Shape{static_cast<std::int64_t>(values.size())},
                      reinterpret_cast<const std::byte*>(values.data())};
  };
  const std::span<float> lengths = own(), gain = own();
  std::ranges::copy(decoded(magnitude), lengths.begin());
  layer.low_rank.magnitude = view(lengths);
  for (std::size_t n = 0; n < outputs; ++n)
    gain[n] = dora_gain(layer, static_cast<std::int64_t>(n));
  layer.low_rank.gain = view(gain);
}

Result<void> check_digest(const std::string& wanted, const WeightFile& base) {
  if (wanted.empty()) return {};
  const std::string found = weights_digest(base);
  if (found == wanted) return {};
  return std::unexpected(
      fail(ErrorKind::kUnsupported, "adapter_base", "it was made for the weights {}, these are {}",
           quoted(wanted), quoted(found))
          .error()
          .with_hint("--any-base lets it go with the same model in another storage type"));
}

// What does not fit, by name.
Result<void> check_fit(const AdapterLayer& adapter, const Linear& layer) {
  const LowRank& low = adapter.low_rank;
  const Shape wanted{low.b.shape[0], low.a.shape[1]};
  if (layer.weight.shape != wanted)
    return fail(ErrorKind::kUnsupported, "adapter_base",
                "{} is {} in the base, the adapter's is {}", quoted(adapter.name),
                layer.weight.shape.to_string(), wanted.to_string());
  if (adapter.magnitude.data != nullptr && adapter.magnitude.shape != Shape{layer.outputs()})
    return fail(ErrorKind::kMalformed, "adapter_invalid", "{}: the magnitude is {}, not {}",
                quoted(adapter.name), adapter.magnitude.shape.to_string(),
                Shape{layer.outputs()}.to_string());
  return {};
}

Result<void> attach_layers(DecoderWeights& weights, AdapterLayers& adapter) {
  std::map<LayerKey, const AdapterLayer*> wanted;
  for (const AdapterLayer& layer : adapter.layers) wanted[{layer.name, layer.expert}] = &layer;
  Result<void> outcome;
  for_each_linear(weights, [&](const std::string& name, std::int64_t expert, Linear& layer) {
    CHECK(!layer.low_rank.present());
    const auto found = wanted.find({name, expert});
    if (found == wanted.end() || !outcome) return;
    const AdapterLayer& from = *found->second;
    wanted.erase(found);
    outcome = check_fit(from, layer);
    if (!outcome) return;
    layer.low_rank = from.low_rank;
    if (from.magnitude.data != nullptr) add_magnitude(*adapter.file, layer, from.magnitude);
  });
  TRY(std::move(outcome));
  if (wanted.empty()) return {};
  const auto& [name, expert] = wanted.begin()->first;
  return fail(ErrorKind::kUnsupported, "adapter_base", "the base has no linear layer {}{}",
              quoted(name), expert < 0 ? "" : fmt::format(" of an expert {}", expert));
}

// Lives as long as the decoder that has both.
struct BaseAndAdapter {
  std::shared_ptr<const WeightFile> base;
  std::shared_ptr<const WeightFile> adapter;
};

Result<std::shared_ptr<const Decoder>> attach(const Decoder& base,
                                              const std::filesystem::path& path,
                                              AdapterBase accept) {
  std::error_code ignored;
  AdapterLayers adapter =
      TRY(std::filesystem::is_directory(path, ignored) ? read_peft_adapter(path, base)
                                                       : read_gguf_adapter(path, base));
  if (adapter.layers.empty())
    return fail(ErrorKind::kMalformed, "adapter_invalid", "it has no tensors");
  if (accept == AdapterBase::kSame) TRY(check_digest(adapter.base_digest, *base.file()));
  DecoderWeights weights = base.weights();
  TRY(attach_layers(weights, adapter));
  auto both = std::make_shared<BaseAndAdapter>(base.file(), std::move(adapter.file));
  std::shared_ptr<const WeightFile> file(both, both->base.get());
  return std::make_shared<const Decoder>(std::move(file), base.spec(), std::move(weights));
}

void add_number(Sha256& sha, std::uint64_t number) {
  std::array<std::byte, 8> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(number >> (8 * i));
  sha.add(bytes);
}

}  // namespace

float adapted_length(const Linear& layer, std::int64_t n) {
  const Codec *codec = find_codec(layer.weight.dtype), *of_a = find_codec(layer.low_rank.a.dtype),
              *of_b = find_codec(layer.low_rank.b.dtype);
  CHECK(codec != nullptr && of_a != nullptr && of_b != nullptr);
  const std::int64_t rank = layer.low_rank.a.shape[0];
  std::vector<float> row(static_cast<std::size_t>(layer.weight.shape[1])), a(row.size()),
      b(static_cast<std::size_t>(rank));
  codec->decode(layer.weight.row(n), row);
  of_b->decode(layer.low_rank.b.row(n), b);
  for (std::int64_t r = 0; r < rank; ++r) {
    of_a->decode(layer.low_rank.a.row(r), a);
    const float factor = layer.low_rank.scale * b[static_cast<std::size_t>(r)];
    for (std::size_t k = 0; k < row.size(); ++k) row[k] += factor * a[k];
  }
  double squares = 0;
  for (const float value : row) squares += double{value} * double{value};
  return static_cast<float>(std::sqrt(squares));
}

float dora_gain(const Linear& layer, std::int64_t n) {
  const float length = adapted_length(layer, n);
  const auto* magnitude = reinterpret_cast<const float*>(layer.low_rank.magnitude.data);
  return length > 0 ? magnitude[n] / length : 0;
}

Result<void> check_low_rank(const std::string& name, const TensorView& a, const TensorView& b) {
  const auto invalid = [&](std::string_view message) {
    return fail(ErrorKind::kMalformed, "adapter_invalid", "{}: {}", quoted(name), message);
  };
  if (a.data == nullptr) return invalid("B has no A");
  if (b.data == nullptr) return invalid("A has no B");
  if (a.shape.rank() != 2 || b.shape.rank() != 2 || a.shape[0] != b.shape[1] || a.shape[0] < 1)
    return invalid(fmt::format("A {} and B {} do not fit: expected (r, in) and (out, r)",
                               a.shape.to_string(), b.shape.to_string()));
  for (const TensorView& part : {a, b})
    if (const auto codec = decoder_for(part.dtype); !codec)
      return std::unexpected(codec.error().in(quoted(name)));
  return {};
}

TensorView reorder_rows(WeightFile& file, const TensorView& view, std::int64_t heads,
                        RotaryRows order) {
  const std::int64_t rows = view.shape[0], width = rows / heads, half = width / 2;
  CHECK(width * heads == rows && half * 2 == width);
  const std::uint64_t bytes = view.bytes() / static_cast<std::uint64_t>(rows);
  std::byte* out = file.own_buffer(view.bytes());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t i = row % width;
    const std::int64_t other =
        row - i +
        (order == RotaryRows::kToInterleaved ? i % 2 * half + i / 2 : i % half * 2 + i / half);
    std::copy_n(view.data + static_cast<std::uint64_t>(other) * bytes, bytes,
                out + static_cast<std::uint64_t>(row) * bytes);
  }
  return {view.dtype, view.shape, out};
}

Result<std::shared_ptr<const Decoder>> attach_adapter(std::shared_ptr<const Decoder> base,
                                                      const std::filesystem::path& path,
                                                      AdapterBase accept) {
  auto attached = attach(*base, path, accept);
  if (!attached && attached.error().where.find(path.string()) == std::string::npos)
    return std::unexpected(std::move(attached).error().in(path.string()));
  return attached;
}

std::string weights_digest(const WeightFile& file) {
  constexpr std::uint64_t kPieces = 4, kPieceBytes = 1024;
  Sha256 sha;
  for (const NamedTensor& tensor : file.tensors()) {
    add_number(sha, tensor.name.size());
    sha.add(std::as_bytes(std::span(tensor.name)));
    const std::string_view type = dtype_info(tensor.view.dtype).name;
    add_number(sha, type.size());
    sha.add(std::as_bytes(std::span(type)));
    add_number(sha, tensor.view.shape.rank());
    for (std::size_t i = 0; i < tensor.view.shape.rank(); ++i)
      add_number(sha, static_cast<std::uint64_t>(tensor.view.shape[i]));
    const std::uint64_t bytes = tensor.view.bytes(), piece = std::min(bytes, kPieceBytes);
    for (std::uint64_t i = 0; i < kPieces; ++i)
      sha.add({tensor.view.data + (bytes - piece) * i / (kPieces - 1), piece});
  }
  return sha.hexadecimal();
}

}  // namespace bantam
