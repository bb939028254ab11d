#include "train/mpi_exchange.h"

#include <dlfcn.h>

#include <bit>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "train/mpi/module.h"

namespace bantam {
namespace {

// What mpirun of Open MPI, and that of MPICH and its kin, tell the processes that they start.
bool started_by_mpirun() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr || std::getenv("PMI_SIZE") != nullptr;
}

// Beside the program.
std::filesystem::path module_path() {
  std::error_code failed;
  return std::filesystem::read_symlink("/proc/self/exe", failed).parent_path() / "bantam_mpi.so";
}

class MpiExchange final : public Exchange {
 public:
  MpiExchange(int rank, int ranks, decltype(&bantam_mpi_swap) swap, decltype(&bantam_mpi_end) end)
      : Exchange(rank, ranks), swap_(swap), end_(end) {}
  // After an error the others may not come to the end of theirs: mpirun ends them.
  ~MpiExchange() override {
    if (!failed_) end_();
  }

 private:
  Result<void> swap(std::int64_t partner, std::span<const std::byte> out,
                    std::span<std::byte> in) override {
    const char* problem =
        swap_(static_cast<int>(partner), out.data(), out.size(), in.data(), in.size());
    if (problem == nullptr) return {};
    failed_ = true;
    return fail(ErrorKind::kUnavailable, "peer_lost", "rank {} does not answer rank {}: {}",
                partner, rank(), problem);
  }

  decltype(&bantam_mpi_swap) swap_;
  decltype(&bantam_mpi_end) end_;
  bool failed_ = false;
};

std::unexpected<Error> absent(std::string_view why) {
  return std::unexpected(fail(ErrorKind::kUnsupported, "mpi_absent",
                              "mpirun started this program, which cannot open MPI: {}", why)
                             .error()
                             .with_hint("build where libopenmpi-dev is installed"));
}

}  // namespace

Result<std::unique_ptr<Exchange>> make_exchange() {
  if (!started_by_mpirun()) return alone();
  // Never closed: MPI cannot be begun twice. Global, because MPI opens parts of itself that look
  // for its symbols.
  void* module = ::dlopen(module_path().c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (module == nullptr) return absent(::dlerror());
  const auto begin =
      reinterpret_cast<decltype(&bantam_mpi_begin)>(::dlsym(module, "bantam_mpi_begin"));
  const auto swap =
      reinterpret_cast<decltype(&bantam_mpi_swap)>(::dlsym(module, "bantam_mpi_swap"));
  const auto end = reinterpret_cast<decltype(&bantam_mpi_end)>(::dlsym(module, "bantam_mpi_end"));
  if (begin == nullptr || swap == nullptr || end == nullptr) return absent("it is another module");
  int rank = 0, ranks = 1;
  if (const char* problem = begin(&rank, &ranks)) return absent(problem);
  if (!std::has_single_bit(static_cast<unsigned>(ranks)))
    return fail(ErrorKind::kConfiguration, "ranks_invalid",
                "mpirun started {} ranks; expected a power of two", ranks);
  return std::make_unique<MpiExchange>(rank, ranks, swap, end);
}

}  // namespace bantam
