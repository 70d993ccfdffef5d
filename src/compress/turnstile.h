#pragma once
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>

namespace octet {

/// Lets pieces of work that were prepared in any order pass one by one, in the order of their tickets 0, 1, 2, …
class Turnstile {
 public:
  /// Returns when all tickets below `ticket` have passed. Throws Stopped if stop() was called.
  void wait(int64_t ticket) {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return passed_ >= ticket || stopped_; });
    if (stopped_) throw Stopped();
  }
  /// The next ticket has passed.
  void pass() {
    {
      std::lock_guard lock(mutex_);
      ++passed_;
    }
    moved_.notify_all();
  }
  /// A piece failed: whoever waits for it must not wait forever.
  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    moved_.notify_all();
  }

  /// Thrown to those who wait for a piece that failed elsewhere.
  struct Stopped : std::exception {
    const char* what() const noexcept override { return "another part of the work failed"; }
  };

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  int64_t passed_ = 0;
  bool stopped_ = false;
};

}  // namespace octet
