// The objectives there are besides supervised fine-tuning: preferences and distillation.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "train/objective.h"

namespace bantam {

// Groups of two, the chosen answer first. With w and l the sums of weight · log p over the rows of
// each, r_w and r_l the same under a reference, |w| and |l| the sums of their weights, and
// z = β ((w - r_w) - (l - r_l)), the loss of a pair is
enum class Preference : std::uint8_t {
  kDpo,    // -(1 - ε) log σ(z) - ε log σ(-z)                        Rafailov et al., 2023
  kIpo,    // (z / β - 1 / (2 β))²                                   Azar et al., 2023
  kHinge,  // max(0, 1 - z)                                          Zhao et al., 2023
  kSimpo,  // -log σ(β (w / |w| - l / |l|) - γ); no reference         Meng et al., 2024
  kOrpo,   // -w / |w| - β log σ(o(w / |w|) - o(l / |l|)), where o(m) = m - log(1 - exp m) are the
           // log odds; no reference                                  Hong et al., 2024
};
struct PreferenceOptions {
  Preference kind = Preference::kDpo;
  double beta = 0.1;      // positive
  double smoothing = 0;   // ε of kDpo, in [0, 0.5)
  double margin = 0;      // γ of kSimpo
  double chosen_nll = 0;  // adds this much of -w / |w| ("RPO"), which keeps w from sinking
};
// References are Example::reference. A pair whose answers are equal to the model and to the
// reference costs log 2 under kDpo. CHECKs the options.
std::unique_ptr<Objective> make_preference(const PreferenceOptions& options);

// Good and bad answers without a partner (Ethayarajh et al., "KTO", 2024): Example::label is
// positive or negative. With u = ±β (w - r_w - z0) a good one costs good_weight · (1 - σ(u)), a bad
// one bad_weight · (1 - σ(u)).
struct KtoOptions {
  double beta = 0.1;
  double good_weight = 1, bad_weight = 1;
  double reference_point = 0;  // z0, at least 0: how far the model is from its reference by now, as
                               // a KL divergence over whole answers; a constant to the derivative
};
class Kto : public Objective {
 public:
  virtual void set_reference_point(double z0) = 0;  // from now on; at least 0
};
std::unique_ptr<Kto> make_kto(const KtoOptions& options);

// Distillation: p is the teacher's distribution of a row at the temperature τ, q the student's. All
// are multiplied by τ², so that gradients keep their size.
enum class Divergence : std::uint8_t {
  kForward,         // KL(p, q)
  kReverse,         // KL(q, p)                                    infinite where p is 0
  kJensenShannon,   // β KL(p, m) + (1 - β) KL(q, m), m = β p + (1 - β) q
  kSkew,            // KL(p, α p + (1 - α) q)                      Ko et al., "DistiLLM", 2024
  kTotalVariation,  // ½ Σ |p - q|
};
struct DistillationOptions {
  Divergence kind = Divergence::kForward;
  double mix = 0.5;        // β of kJensenShannon, α of kSkew; in (0, 1)
  double temperature = 1;  // positive
  double data_share = 0;  // of cross-entropy with the row's own target; the divergence has the rest
};

// The loss of one pair of distributions, each the softmax of its logits at the temperature, without
// the data's share: τ² times the divergence. `derivative` gets those by the student's logits. Equal
// logits give zeros. A logit of -∞ is a probability of zero.
double divergence_of(const DistillationOptions& options, std::span<const double> teacher,
                     std::span<const double> student, std::span<double> derivative);

// Where a row's teacher comes from.
class TeacherRows {
 public:
  virtual ~TeacherRows() = default;
  // As Objective's.
  virtual Result<void> begin(std::span<const Example> examples, std::span<const RowTarget> targets);
  virtual void begin_rows(std::span<const RowTarget> targets);
  // May be asked by several threads at once.
  // Logits (V): p is their softmax at the temperature. -∞ for what the teacher never says. (Of k
  // sampled tokens: τ log(count / k), which makes the gradient of kForward right on average.)
  virtual void logits(const RowTarget& target, std::span<float> out) const = 0;
};

// A teacher with the student's logits gives a loss and derivatives of exactly zero. Keeps
// `teacher`.
std::unique_ptr<Objective> make_distillation(const DistillationOptions& options,
                                             std::shared_ptr<TeacherRows> teacher);

}  // namespace bantam
