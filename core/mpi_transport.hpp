// The processes of an MPI job. The program is built without MPI where there is none, and starts MPI
// only where a launcher has started the program.
#pragma once

#include <memory>
#include <string>

#include "core/transport.hpp"

namespace intandem {

/// Whether mpirun or `srun --mpi=…` started this process; its environment tells. Error where srun
/// started several processes without MPI between them: each would do the whole job.
bool is_launched_by_mpi();

/// Starts MPI. One at most in a process, for the rest of its life. Error if the program was built
/// without MPI. Each process tells process 0 every two seconds that it lives, and process 0 tells
/// all others; who has not been heard of for `silence_seconds` ends the job with an error that
/// names rank, host and process id.
std::unique_ptr<Transport> open_mpi(double silence_seconds);

/// Ends all processes of the job at once with this exit code.
[[noreturn]] void abort_mpi(int exit_code);

/// What --version says: "Open MPI v4.1.4, …" or "none".
std::string mpi_description();

}  // namespace intandem
