// The ranks that mpirun started, as an Exchange.
//
// MPI is opened at run time, and only in a process that mpirun started: a program that runs alone
// does not pay for it, and a build does not need it on every machine.
#pragma once

#include <memory>

#include "base/result.h"
#include "train/exchange.h"

namespace bantam {

// MPI's world if mpirun started the process, else alone(). One at a time, and once a process: MPI
// cannot be begun again. Errors: kUnsupported "mpi_absent" if bantam_mpi.so cannot be opened (says
// why); kConfiguration "ranks_invalid" if the number of ranks is no power of two; kUnavailable
// "peer_lost".
Result<std::unique_ptr<Exchange>> make_exchange();

}  // namespace bantam
