#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/escape.h"
#include "base/terminal.h"
#include "base/units.h"

namespace octet {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kShownAfter = 1.0;  // seconds
constexpr auto kTick = std::chrono::milliseconds(100);
constexpr double kSmoothing = 2.0;  // seconds over which the rate is averaged
constexpr const char* kClearLine = "\r\x1b[K";

std::mutex screen;  // guards standard error and what follows
std::string shown_line;
std::vector<const void*> running;  // the last of them is shown: what is done for the sake of the others

void put(std::string_view text) {
  // A terminal that went away is no reason to fail.
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

std::string quantity(double amount, const std::string& unit) {
  if (unit == "B") return human_bytes(amount);
  return human_count(amount) + (unit.empty() ? "" : " " + unit);
}

std::string bar(double fraction, int width) {
  static const char* const kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(fraction * width * 8);
  std::string text;
  for (int i = 0; i < eighths / 8; ++i) text += "█";
  text += kEighths[eighths % 8];
  const int filled = eighths / 8 + (eighths % 8 != 0);
  text.append(static_cast<size_t>(std::max(0, width - filled)), ' ');
  return "▕" + text + "▏";
}

}  // namespace

std::string progress_line(const ProgressState& state, int width) {
  const double fraction =
      state.total ? std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total)) : 0;
  const std::string label = printable(state.label, 60);
  const std::string percent = state.total ? fmt::format("{:3.0f} %", std::floor(fraction * 100)) : "";
  const std::string rate = state.rate > 0 ? quantity(state.rate, state.unit) + "/s" : "";
  const double left = state.total && state.rate > 0
                          ? static_cast<double>(state.total - std::min(state.done, state.total)) / state.rate
                          : -1;
  const std::string tail = left >= 0 ? clock_time(left) + " left" : clock_time(state.seconds);

  std::string line = label;
  const auto fits = [&](const std::string& part) {
    return !part.empty() && display_width(line) + 2 + display_width(part) <= width;
  };
  const int bar_room =
      width - display_width(label) - display_width(percent) - display_width(rate) - display_width(tail) - 8 - 2;
  const bool has_bar = state.total && bar_room >= 8;
  if (has_bar) line += "  " + bar(fraction, std::min(bar_room, 40));
  const std::string amount = state.total ? percent : quantity(static_cast<double>(state.done), state.unit);
  for (const std::string& part : {amount, rate, tail}) {
    if (fits(part)) line += "  " + part;
  }
  return display_width(line) <= width ? line : "";
}

struct Progress::Ticker {
  ProgressState state;
  std::atomic<uint64_t> done{0};
  const Clock::time_point start = Clock::now();
  std::mutex mutex;
  std::condition_variable wake;
  bool stop = false;
  std::thread thread;

  void run() {
    double last_seconds = 0;
    uint64_t last_done = 0;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, kTick, [&] { return stop; })) {
      state.done = done.load(std::memory_order_relaxed);
      state.seconds = std::chrono::duration<double>(Clock::now() - start).count();
      const double step = state.seconds - last_seconds;
      const double now = static_cast<double>(state.done - last_done) / step;
      // The weight of the newest rate grows with the step; the first seconds count evenly.
      const double weight = std::max(1 - std::exp(-step / kSmoothing), step / state.seconds);
      state.rate += weight * (now - state.rate);
      last_seconds = state.seconds;
      last_done = state.done;
      if (state.seconds >= kShownAfter) draw();
    }
  }

  void draw() const {
    const std::string line = progress_line(state, terminal_width(STDERR_FILENO) - 1);
    std::lock_guard lock(screen);
    if (running.back() != this || line == shown_line) return;
    shown_line = line;
    put(kClearLine + line);
  }
};

Progress::Progress(std::string label, uint64_t total, std::string unit) {
  if (!is_terminal(STDERR_FILENO)) return;
  ticker_ = std::make_unique<Ticker>();
  ticker_->state.label = std::move(label);
  ticker_->state.unit = std::move(unit);
  ticker_->state.total = total;
  {
    std::lock_guard lock(screen);
    running.push_back(ticker_.get());
  }
  ticker_->thread = std::thread([ticker = ticker_.get()] { ticker->run(); });
}

Progress::~Progress() {
  if (!ticker_) return;
  {
    std::lock_guard lock(ticker_->mutex);
    ticker_->stop = true;
  }
  ticker_->wake.notify_one();
  ticker_->thread.join();
  {
    std::lock_guard lock(screen);
    running.erase(std::find(running.begin(), running.end(), ticker_.get()));
  }
  clear_shown();
}

void Progress::advance(uint64_t units) {
  if (ticker_) ticker_->done.fetch_add(units, std::memory_order_relaxed);
}

void Progress::clear_shown() {
  std::lock_guard lock(screen);
  if (shown_line.empty()) return;
  shown_line.clear();
  put(kClearLine);
}

void print_notice(std::string_view text) {
  std::lock_guard lock(screen);
  put((shown_line.empty() ? "" : kClearLine) + printable(text) + "\n" + shown_line);
}

}  // namespace octet
