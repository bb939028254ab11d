#include "train/mpi/module.h"

#include <mpi.h>

#include <array>
#include <climits>

namespace {

// The text of MPI's error, good until the next call.
const char* text_of(int code) {
  static std::array<char, MPI_MAX_ERROR_STRING> text;
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) return "unknown error";
  return text.data();
}

}  // namespace

const char* bantam_mpi_begin(int* rank, int* ranks) {
  int code = MPI_Init(nullptr, nullptr);
  if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (code == MPI_SUCCESS) code = MPI_Comm_rank(MPI_COMM_WORLD, rank);
  if (code == MPI_SUCCESS) code = MPI_Comm_size(MPI_COMM_WORLD, ranks);
  return code == MPI_SUCCESS ? nullptr : text_of(code);
}

const char* bantam_mpi_swap(int partner, const void* out, std::size_t out_bytes, void* in,
                            std::size_t in_bytes) {
  if (out_bytes > INT_MAX || in_bytes > INT_MAX) return "a message over 2 GiB";
  const int code = MPI_Sendrecv(out, static_cast<int>(out_bytes), MPI_BYTE, partner, 0, in,
                                static_cast<int>(in_bytes), MPI_BYTE, partner, 0, MPI_COMM_WORLD,
                                MPI_STATUS_IGNORE);
  return code == MPI_SUCCESS ? nullptr : text_of(code);
}

void bantam_mpi_end() { MPI_Finalize(); }
