#include "base/threads.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"

namespace octet {
namespace {

// cgroup v2 writes "max 100000" or "200000 100000": quota and period in microseconds.
int cgroup_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return INT32_MAX;
  const double limit = std::strtod(quota.c_str(), nullptr);
  return limit > 0 ? std::max(1, static_cast<int>(limit / period + 0.5)) : INT32_MAX;
}

thread_local bool inside_a_body = false;

// A decode step has hundreds of short parallel sections: spin this long before sleeping.
constexpr int kSpins = 4000;

// Tells the core that this is a loop that waits.
void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");  // yield does nothing on most cores
#endif
}

}  // namespace

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int affinity = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return std::max(1, std::min(affinity, cgroup_cores()));
}

void limit_thread_stacks() {
#ifdef __GLIBC__
  constexpr size_t kStack = size_t{512} << 10;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return;
  if (pthread_attr_setstacksize(&attributes, kStack) == 0) pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
#endif
}

// The section of work that is going on, in one word: its number, whether it is open, and how many threads besides the
// caller are inside.
namespace section {
constexpr uint64_t kInside = 0x7FFF'FFFF;
constexpr uint64_t kOpen = uint64_t{1} << 31;
constexpr int kNumberShift = 32;
constexpr uint64_t number(uint64_t state) {
  return state >> kNumberShift;
}
}  // namespace section

struct Threads::Crew {
  std::vector<std::thread> threads;
  std::mutex mutex, one_section;
  std::condition_variable wake;
  std::atomic<uint64_t> state{0};
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  const std::function<void()>* body = nullptr;
  std::exception_ptr error;

  ~Crew() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_all();
    for (auto& thread : threads) thread.join();
  }

  void run() {
    inside_a_body = true;
    try {
      (*body)();
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
    inside_a_body = false;
  }

  bool is_new(uint64_t seen) const { return section::number(state.load()) != seen || stop; }

  void wait_for_section(uint64_t seen) {
    for (int i = 0; i < kSpins; ++i) {
      if (is_new(seen)) return;
      relax();
    }
    std::unique_lock lock(mutex);
    ++sleepers;
    wake.wait(lock, [&] { return is_new(seen); });
    --sleepers;
  }

  // Counts the caller in, unless the section was closed in the meantime.
  bool enter() {
    uint64_t now = state.load();
    while (now & section::kOpen) {
      if (state.compare_exchange_weak(now, now + 1)) return true;
    }
    return false;
  }

  void work() {
    for (uint64_t seen = 0;;) {
      wait_for_section(seen);
      if (stop) return;
      seen = section::number(state.load());
      if (!enter()) continue;
      run();
      state.fetch_sub(1);
    }
  }

  void wake_sleepers() {
    if (sleepers.load() == 0) return;
    { std::lock_guard lock(mutex); }  // whoever counted himself a sleeper is waiting by now
    wake.notify_all();
  }

  // `share` returns when nothing is left to begin; then only those who are inside are waited for.
  void run_section(const std::function<void()>& share) {
    std::lock_guard one(one_section);
    body = &share;
    error = nullptr;
    state = (section::number(state.load()) + 1) << section::kNumberShift | section::kOpen;
    wake_sleepers();
    run();
    state.fetch_and(~section::kOpen);
    for (int spins = 0; state.load() & section::kInside; ++spins) {
      spins < kSpins ? relax() : std::this_thread::yield();
    }
    if (error) std::rethrow_exception(error);
  }
};

Threads::Threads(int count) : crew_(std::make_unique<Crew>()) {
  try {
    for (int i = 1; i < count; ++i) crew_->threads.emplace_back([crew = crew_.get()] { crew->work(); });
  } catch (const std::system_error&) {
    fail("{} threads cannot be made, only {}: give fewer --threads, or raise what limits them (ulimit -d, ulimit -u)",
         count, crew_->threads.size() + 1);
  }
}

Threads::~Threads() = default;

int Threads::count() const {
  return static_cast<int>(crew_->threads.size()) + 1;
}

void Threads::for_range(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (n <= grain || crew_->threads.empty() || inside_a_body) return body(0, n);
  std::atomic<int64_t> next{0};
  crew_->run_section([&] {
    for (;;) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= n) return;
      body(begin, std::min(begin + grain, n));
    }
  });
}

}  // namespace octet
