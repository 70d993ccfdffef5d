#include "base/threads.h"

#include <immintrin.h>
#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

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

}  // namespace

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int affinity = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return std::max(1, std::min(affinity, cgroup_cores()));
}

struct Threads::Crew {
  std::vector<std::thread> threads;
  std::mutex mutex, one_section;
  std::condition_variable wake;
  std::atomic<uint64_t> section{0};
  std::atomic<int> busy{0};
  std::atomic<bool> stop{false};
  const std::function<void(int)>* body = nullptr;
  std::exception_ptr error;

  void run(int thread) {
    inside_a_body = true;
    try {
      (*body)(thread);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
    inside_a_body = false;
  }

  void wait_for_section(uint64_t seen) {
    for (int i = 0; i < kSpins; ++i) {
      if (section.load(std::memory_order_acquire) != seen || stop) return;
      _mm_pause();
    }
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return section.load(std::memory_order_acquire) != seen || stop; });
  }

  void work(int thread) {
    for (uint64_t seen = 0;;) {
      wait_for_section(seen);
      if (stop) return;
      seen = section.load(std::memory_order_acquire);
      run(thread);
      busy.fetch_sub(1, std::memory_order_release);
    }
  }
};

Threads::Threads(int count) : crew_(std::make_unique<Crew>()) {
  for (int i = 1; i < count; ++i) crew_->threads.emplace_back([this, i] { crew_->work(i); });
}

Threads::~Threads() {
  {
    std::lock_guard lock(crew_->mutex);
    crew_->stop = true;
  }
  crew_->wake.notify_all();
  for (auto& thread : crew_->threads) thread.join();
}

int Threads::count() const { return static_cast<int>(crew_->threads.size()) + 1; }

void Threads::on_each(const std::function<void(int)>& body) {
  Crew& crew = *crew_;
  if (inside_a_body || crew.threads.empty()) {
    for (int i = 0; i < count(); ++i) body(i);
    return;
  }
  std::lock_guard one(crew.one_section);
  crew.body = &body;
  crew.error = nullptr;
  crew.busy.store(static_cast<int>(crew.threads.size()), std::memory_order_relaxed);
  {
    std::lock_guard lock(crew.mutex);
    crew.section.fetch_add(1, std::memory_order_release);
  }
  crew.wake.notify_all();
  crew.run(0);
  for (int spins = 0; crew.busy.load(std::memory_order_acquire) > 0; ++spins) {
    spins < kSpins ? _mm_pause() : std::this_thread::yield();
  }
  if (crew.error) std::rethrow_exception(crew.error);
}

void Threads::for_range(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (n <= grain || crew_->threads.empty() || inside_a_body) return body(0, n);
  std::atomic<int64_t> next{0};
  on_each([&](int) {
    for (;;) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= n) return;
      body(begin, std::min(begin + grain, n));
    }
  });
}

}  // namespace octet
