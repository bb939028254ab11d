// The numbers that training changes, and their gradients.
//
// A parameter is a float tensor in memory that some weight of the model is a view of. Whether a
// weight trains is decided by its address: the tape asks gradient_of(view) and gets a place to add
// to, or null for a frozen weight, which may be packed in any dtype and lie in a mapped file. So
// decoders, blocks and files know nothing of training, and full training, adapters, and anything
// between differ only in which tensors were made parameters.
//
// An embedding that is the head, too, gets gradients from both ends of the model; those of the
// lookup are kept apart until join(), so that each is a chain in order of token.
//
// A parameter may have an image: its values in a storage type, which is what the model reads. The
// forward pass then computes with the numbers and kernels that will serve the saved file, and the
// loss is that file's; derivatives count the rounding as the identity (straight through: Bengio,
// Léonard and Courville, 2013), and steps change the floats. Whoever changes values refreshes the
// images before the model is read by anybody but a Learner, which does it itself.
//
// All values lie in one piece, in the order of their making, and all gradients in another: a
// checkpoint, a sum over machines or a norm is one pass over a span.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace bantam {

// What an optimizer may want to know of a tensor.
enum class ParameterRole : std::uint8_t {
  kMatrix,     // (out, in) or a stack of such
  kEmbedding,  // (V, E): of the input, of the output, or of both
  kVector,     // norms, biases, magnitudes: never decayed
};

struct Parameter {
  std::string name;  // of the tensor in the file that it will be saved to
  Shape shape;
  ParameterRole role = ParameterRole::kMatrix;
  float rate = 1;            // the learning rate is multiplied by it (LoRA+: 16 for B)
  bool tied = false;         // looked up and multiplied with
  DType type = DType::kF32;  // of the image; F32: the model reads the values
  // Set by Parameters.
  std::byte* image = nullptr;  // null if there is none
  float* value = nullptr;
  float* gradient = nullptr;
  float* lookup_gradient = nullptr;  // `gradient`, unless it is tied

  std::int64_t size() const { return shape.elements(); }
  TensorView view() const;  // what the model reads
  std::span<float> values() const { return {value, static_cast<std::size_t>(size())}; }
  std::span<float> gradients() const { return {gradient, static_cast<std::size_t>(size())}; }
};

// Not thread safe; outlives whatever holds its views.
class Parameters {
 public:
  // Zeros everywhere; the maker fills values in. kTooLarge "out_of_memory" if the system has no
  // room. CHECKs that names are unique, and that there is an encoder for images' types, of whose
  // blocks rows are made.
  static Result<std::unique_ptr<Parameters>> create(std::vector<Parameter> outlines);

  std::span<const Parameter> all() const { return parameters_; }
  const Parameter* find(std::string_view name) const;
  std::span<float> values() const { return values_; }
  std::span<float> gradients() const { return gradients_; }

  // Where the gradient of the first element of `view` lies, if the view is (part of) a parameter;
  // null if it is frozen. Views of images are made of whole rows.
  float* gradient_of(const TensorView& view) const;
  // The same for a table whose rows are looked up; a whole parameter, or frozen.
  float* lookup_gradient_of(const TensorView& view) const;

  // Makes images of the values as they are, and calls what was asked for. Nothing to do where there
  // is neither.
  void refresh(ThreadPool& pool);
  // What else the model reads that follows from the values (the gains of DoRA).
  void on_refresh(std::function<void(ThreadPool&)> follow) { follow_ = std::move(follow); }

  void zero_gradients();
  // Adds what lookups gave to tied parameters; what reads gradients comes after it.
  void join(const KernelTable& kernels);
  // √Σg² over all, in a fixed order: floats by the thousand, then in double.
  double gradient_norm(const KernelTable& kernels) const;

 private:
  Parameters() = default;

  Arena arena_;
  std::vector<Parameter> parameters_;
  std::span<float> values_, gradients_, lookups_;
  std::span<std::byte> images_;
  std::function<void(ThreadPool&)> follow_;
};

}  // namespace bantam
