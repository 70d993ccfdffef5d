#pragma once
#include <memory>
#include <string>

#include "train/processes.h"

namespace octet::train {

// Defined where MPI is there (OCTET_MPI).
std::unique_ptr<Processes> join_mpi();
std::string version_of_mpi();

}  // namespace octet::train
