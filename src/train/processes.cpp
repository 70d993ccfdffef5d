#include "train/processes.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/sha256.h"
#include "train/processes_mpi.h"

namespace octet::train {
namespace {

class Single : public Processes {
 public:
  int rank() const override { return 0; }
  int count() const override { return 1; }
  void exchange(const void* mine, const Slices& slices, size_t size, void* theirs) override {
    std::memcpy(theirs, mine, static_cast<size_t>(slices.n) * size);
  }
  void gather(void*, const Slices&, size_t) override {}
};

/// What Open MPI's mpirun, and the launchers of clusters, tell each process they start.
bool was_launched_with_others() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* size = std::getenv(name);
    if (size && std::atoi(size) > 1) return true;
  }
  return false;
}

}  // namespace

void Processes::check_agreement(std::string_view text, std::string_view what) {
  if (count() == 1) return;
  const std::string hash = sha256_hex(text);
  const auto all = gathered(std::span<const char>(hash));
  for (int other = 1; other < count(); ++other) {
    if (std::memcmp(all.data(), all.data() + static_cast<size_t>(other) * hash.size(), hash.size()) == 0) continue;
    fail("process {} has another {} than the first; all must see the same files", other, what);
  }
}

std::unique_ptr<Processes> single_process() {
  return std::make_unique<Single>();
}

std::unique_ptr<Processes> join_processes() {
  if (!was_launched_with_others()) return single_process();
#ifdef OCTET_MPI
  return join_mpi();
#else
  fail("this program was built without MPI and trains in one process only; install libopenmpi-dev and build it again");
#endif
}

std::string mpi_version() {
#ifdef OCTET_MPI
  return version_of_mpi();
#else
  return "";
#endif
}

}  // namespace octet::train
