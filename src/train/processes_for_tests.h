#pragma once
#include <barrier>
#include <cstring>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "train/processes.h"

namespace octet::train {

/// Processes that are threads of this one.
class ThreadProcesses : public Processes {
 public:
  struct Table {
    explicit Table(int count) : pointers(static_cast<size_t>(count)), meet(count) {}
    std::vector<const std::byte*> pointers;
    std::barrier<> meet;
  };

  ThreadProcesses(Table& table, int rank) : table_(table), rank_(rank) {}
  int rank() const override { return rank_; }
  int count() const override { return static_cast<int>(table_.pointers.size()); }

  void exchange(const void* mine, const Slices& slices, size_t size, void* theirs) override {
    const auto own = static_cast<size_t>(slices.size(rank_)) * size;
    const auto begin = static_cast<size_t>(slices.begin(rank_)) * size;
    show(mine, [&](size_t other, const std::byte* all) {
      std::memcpy(static_cast<std::byte*>(theirs) + other * own, all + begin, own);
    });
  }
  void gather(void* all, const Slices& slices, size_t size) override {
    show(all, [&](size_t other, const std::byte* from) {
      const auto begin = static_cast<size_t>(slices.begin(static_cast<int>(other))) * size;
      const auto bytes = static_cast<size_t>(slices.size(static_cast<int>(other))) * size;
      if (static_cast<int>(other) != rank_) std::memcpy(static_cast<std::byte*>(all) + begin, from + begin, bytes);
    });
  }

 private:
  template <typename Read>
  void show(const void* mine, const Read& read) {
    table_.pointers[static_cast<size_t>(rank_)] = static_cast<const std::byte*>(mine);
    table_.meet.arrive_and_wait();
    for (size_t other = 0; other < table_.pointers.size(); ++other) read(other, table_.pointers[other]);
    table_.meet.arrive_and_wait();
  }
  Table& table_;
  int rank_;
};

/// Runs `body` in so many processes; throws what the first of them threw. Either all of them throw or none.
inline void in_processes(int count, const std::function<void(Processes&)>& body) {
  ThreadProcesses::Table table(count);
  std::vector<std::exception_ptr> thrown(static_cast<size_t>(count));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < count; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        ThreadProcesses processes(table, rank);
        body(processes);
      } catch (...) {
        thrown[static_cast<size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& exception : thrown) {
    if (exception) std::rethrow_exception(exception);
  }
}

}  // namespace octet::train
