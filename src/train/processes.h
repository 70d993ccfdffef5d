#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octet::train {

/// `n` numbers cut into a slice a process, in the order of ranks: sizes differ by one at most.
struct Slices {
  int64_t n = 0;
  int count = 1;
  int64_t begin(int rank) const { return n / count * rank + std::min<int64_t>(rank, n % count); }
  int64_t size(int rank) const { return begin(rank + 1) - begin(rank); }
};

/// The processes that train one model together, on one machine or several: MPI's (MPI Forum 2021, MPI 4.0). Every one
/// makes the same calls in the same order, from one thread. A single process calls for nothing.
class Processes {
 public:
  virtual ~Processes() = default;
  virtual int rank() const = 0;
  virtual int count() const = 0;
  bool first() const { return rank() == 0; }

  /// Slice r of `mine` goes to process r: theirs [count][own slice] is what all give of the own slice, in the order of
  /// ranks. Elements have `size` bytes.
  virtual void exchange(const void* mine, const Slices& slices, size_t size, void* theirs) = 0;
  /// `all` holds the own slice and is filled with the others'.
  virtual void gather(void* all, const Slices& slices, size_t size) = 0;

  /// What every process gives, in the order of ranks; each gives as many.
  template <typename T>
  std::vector<T> gathered(std::span<const T> mine) {
    std::vector<T> all(mine.size() * static_cast<size_t>(count()));
    std::copy(mine.begin(), mine.end(), all.begin() + static_cast<std::ptrdiff_t>(mine.size()) * rank());
    gather(all.data(), {static_cast<int64_t>(all.size()), count()}, sizeof(T));
    return all;
  }

  /// Throws Error naming a process whose `text` is not the first one's.
  void check_agreement(std::string_view text, std::string_view what);
};

/// What was gathered, `each` from every process: the first of each process, then the second of each …
template <typename T>
std::vector<T> in_turns(const std::vector<T>& gathered, size_t each) {
  std::vector<T> result;
  for (size_t turn = 0; turn < each; ++turn) {
    for (size_t i = turn; i < gathered.size(); i += each) result.push_back(gathered[i]);
  }
  return result;
}

/// Those that mpirun has started this one with; else one. Throws Error where there are others and this program was
/// built without MPI. While an exception ends the program, others than the first wait a moment before they go: what all
/// of them have to say is said once.
std::unique_ptr<Processes> join_processes();
std::unique_ptr<Processes> single_process();

/// Of the MPI library; empty: built without.
std::string mpi_version();

}  // namespace octet::train
