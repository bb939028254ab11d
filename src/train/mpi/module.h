// What bantam_mpi.so offers: MPI's world as four C functions, so that nothing else has to be linked
// with an MPI library or compiled for one. Opened by mpi_exchange.cpp.
#pragma once

#include <cstddef>

#pragma GCC visibility push(default)
extern "C" {

// Begins MPI; null, or a text that says why it cannot.
const char* bantam_mpi_begin(int* rank, int* ranks);
// Sends and receives at once. Null, or why not.
const char* bantam_mpi_swap(int partner, const void* out, std::size_t out_bytes, void* in,
                            std::size_t in_bytes);
void bantam_mpi_end();
}
#pragma GCC visibility pop
