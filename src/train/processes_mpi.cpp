#include "train/processes_mpi.h"

#define OMPI_SKIP_MPICXX 1  // C is enough
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <chrono>
#include <exception>
#include <thread>

#include "base/error.h"

namespace octet::train {
namespace {

void check(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(status, text, &length);
  fail("MPI: {}: {}", what, text);
}

/// Numbers of elements and where they begin, of each process, as MPI counts them.
struct Counts {
  explicit Counts(const Slices& slices) {
    if (slices.n > INT32_MAX) fail("a tensor of {} numbers is too large for MPI", slices.n);
    for (int rank = 0; rank < slices.count; ++rank) {
      sizes.push_back(static_cast<int>(slices.size(rank)));
      begins.push_back(static_cast<int>(slices.begin(rank)));
    }
  }
  std::vector<int> sizes, begins;
};

/// An element of some bytes.
class Element {
 public:
  explicit Element(size_t size) {
    check(MPI_Type_contiguous(static_cast<int>(size), MPI_BYTE, &type_), "MPI_Type_contiguous");
    check(MPI_Type_commit(&type_), "MPI_Type_commit");
  }
  ~Element() { MPI_Type_free(&type_); }
  Element(const Element&) = delete;
  Element& operator=(const Element&) = delete;
  MPI_Datatype type() const { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

class Mpi : public Processes {
 public:
  Mpi() {
    int level = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level), "MPI_Init_thread");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &count_);
  }
  ~Mpi() override {
    if (std::uncaught_exceptions() == exceptions_) {
      MPI_Finalize();
      return;
    }
    // Whoever started the processes ends the others when this one is gone.
    constexpr auto kTurn = std::chrono::seconds(5);
    if (rank_ > 0) std::this_thread::sleep_for(kTurn);
  }
  Mpi(const Mpi&) = delete;
  Mpi& operator=(const Mpi&) = delete;

  int rank() const override { return rank_; }
  int count() const override { return count_; }

  void exchange(const void* mine, const Slices& slices, size_t size, void* theirs) override {
    const Counts sent(slices);
    const Counts received({slices.size(rank_) * count_, count_});
    const Element element(size);
    check(MPI_Alltoallv(mine, sent.sizes.data(), sent.begins.data(), element.type(), theirs, received.sizes.data(),
                        received.begins.data(), element.type(), MPI_COMM_WORLD),
          "MPI_Alltoallv");
  }

  void gather(void* all, const Slices& slices, size_t size) override {
    const Counts counts(slices);
    const Element element(size);
    check(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, counts.sizes.data(), counts.begins.data(),
                         element.type(), MPI_COMM_WORLD),
          "MPI_Allgatherv");
  }

 private:
  int rank_ = 0, count_ = 1;
  int exceptions_ = std::uncaught_exceptions();
};

}  // namespace

std::unique_ptr<Processes> join_mpi() {
  return std::make_unique<Mpi>();
}

std::string version_of_mpi() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string version(text, static_cast<size_t>(length));
  return version.substr(0, version.find(','));  // the rest says who built it
}

}  // namespace octet::train
