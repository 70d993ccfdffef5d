#pragma once
#include <cstdint>
#include <functional>
#include <memory>

namespace octet {

/// Cores this process may use: the affinity mask, limited by the cgroup's quota. At least 1.
int usable_cores();

/// Threads made from now on get stacks of half a megabyte: whoever limits memory (ulimit -d) counts a stack whole, and
/// the usual ones are of eight.
void limit_thread_stacks();

/// A fixed crew of threads, the caller among them. Work is handed out in chunks whose borders never decide a result:
/// every caller makes each output element in one piece of work.
class Threads {
 public:
  /// Throws Error where the system gives no more threads.
  explicit Threads(int count = usable_cores());
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const;

  /// Calls body(begin, end) over [0, n) in chunks of `grain`, on the threads that are free, and returns when all are
  /// done: a thread that the system does not let run holds nobody up. The first exception of a body is rethrown here.
  /// Calls from inside a body run in place.
  void for_range(int64_t n, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  struct Crew;
  std::unique_ptr<Crew> crew_;
};

}  // namespace octet
