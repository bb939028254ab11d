#include "compress/random_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "codec/codec.h"
#include "tokenizer/byte_vocabulary.h"

namespace bantam {
namespace {

// Encoded rows from which those of the matrices are cut.
class Pool {
 public:
  Pool(const Codec& codec, std::int64_t row_elements, ThreadPool& threads) {
    const DTypeInfo& info = dtype_info(codec.type);
    row_bytes_ = row_bytes(codec.type, static_cast<std::uint64_t>(row_elements)).value();
    // A row that begins with a header cannot begin elsewhere.
    unit_bytes_ = info.row_header_bytes > 0 ? row_bytes_ : info.block_bytes;
    const std::uint64_t rows =
        std::max<std::uint64_t>(2, kElements / static_cast<std::uint64_t>(row_elements));
    bytes_.resize(rows * row_bytes_);
    const double deviation = 1 / std::sqrt(static_cast<double>(row_elements));
    threads.parallel_for(rows, 1, [&](std::size_t begin, std::size_t end, std::size_t) {
      std::vector<float> values(static_cast<std::size_t>(row_elements));
      for (std::size_t row = begin; row < end; ++row) {
        Random random(kSeed, row);
        for (float& value : values) value = static_cast<float>(deviation * random.next_normal());
        codec.encode(values, {}, bytes_.data() + row * row_bytes_);
      }
    });
  }

  void fill(std::byte* data, std::uint64_t rows, std::uint64_t tensor, ThreadPool& threads) const {
    const std::uint64_t places = (bytes_.size() - row_bytes_) / unit_bytes_ + 1;
    threads.parallel_for(rows, kRowsAtOnce, [&](std::size_t begin, std::size_t end, std::size_t) {
      for (std::size_t row = begin; row < end; ++row) {
        const std::uint64_t place = Random(kSeed ^ row, tensor).next_u64() % places;
        std::memcpy(data + row * row_bytes_, bytes_.data() + place * unit_bytes_, row_bytes_);
      }
    });
  }

 private:
  static constexpr std::uint64_t kElements = 1u << 19;
  static constexpr std::uint64_t kSeed = 20;
  static constexpr std::size_t kRowsAtOnce = 64;

  std::vector<std::byte> bytes_;
  std::size_t row_bytes_ = 0, unit_bytes_ = 0;
};

class Maker {
 public:
  explicit Maker(ThreadPool& threads) : threads_(threads) {}

  Result<TensorView> make(WeightFile& file, const NamedTensor& tensor, DType type,
                          std::uint64_t index) {
    TensorView view{type, tensor.view.shape, nullptr};
    std::byte* data = file.own_buffer(view.bytes());
    view.data = data;
    if (tensor.view.data != nullptr) {
      CHECK(tensor.view.dtype == type, "{} is not copied", tensor.name);
      std::memcpy(data, tensor.view.data, view.bytes());
    } else if (tensor.view.shape.rank() < 2) {
      fill_vector(reinterpret_cast<float*>(data), view.shape.elements(),
                  tensor.name.ends_with("_norm.weight"), index);
    } else {
      const Pool& pool = TRY(pool_of(type, view.shape.last()));
      pool.fill(data, static_cast<std::uint64_t>(view.shape.rows()), index, threads_);
    }
    return view;
  }

 private:
  // Norms are around one, as trained ones are, and biases around nought.
  static void fill_vector(float* values, std::int64_t count, bool norm, std::uint64_t index) {
    Random random(index);
    for (std::int64_t i = 0; i < count; ++i)
      values[i] = static_cast<float>((norm ? 1 : 0) + 0.1 * random.next_normal());
  }

  Result<std::reference_wrapper<const Pool>> pool_of(DType type, std::int64_t row_elements) {
    const auto found = pools_.find({type, row_elements});
    if (found != pools_.end()) return std::cref(found->second);
    const Codec* codec = TRY(encoder_for(type));
    return std::cref(
        pools_.try_emplace({type, row_elements}, *codec, row_elements, threads_).first->second);
  }

  ThreadPool& threads_;
  std::map<std::pair<DType, std::int64_t>, Pool> pools_;
};

Result<std::shared_ptr<WeightFile>> make_all(const WeightFile& outline, const Recipe& recipe,
                                             ThreadPool& threads) {
  auto file = std::make_shared<WeightFile>();
  file->metadata = recipe_metadata(outline.metadata, recipe);
  file->description = "random weights";
  const std::vector<DType> types = plan_types(recipe, outline);
  Maker maker(threads);
  for (std::size_t i = 0; i < types.size(); ++i) {
    const NamedTensor& tensor = outline.tensors()[i];
    file->add_tensor(tensor.name, TRY(maker.make(*file, tensor, types[i], i)));
  }
  if (const TensorView* embedding = file->find("token_embd.weight");
      embedding != nullptr && embedding->shape[0] >= kLeastByteVocabulary)
    add_byte_vocabulary(file->metadata, embedding->shape[0]);
  return file;
}

}  // namespace

Result<std::uint64_t> planned_bytes(const WeightFile& outline, const Recipe& recipe) {
  const std::vector<DType> types = plan_types(recipe, outline);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < types.size(); ++i) {
    TRY(encoder_for(types[i]));
    bytes += TensorView{types[i], outline.tensors()[i].view.shape, nullptr}.bytes();
  }
  return bytes;
}

Result<std::shared_ptr<WeightFile>> random_weights(const WeightFile& outline, const Recipe& recipe,
                                                   ThreadPool& pool) {
  try {
    return make_all(outline, recipe, pool);
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::kTooLarge, "out_of_memory", "no memory for the weights");
  }
}

}  // namespace bantam
