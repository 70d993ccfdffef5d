#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace octet {

/// What a progress bar shows at one moment.
struct ProgressState {
  std::string label, unit;       // unit "B": bytes; otherwise a plural noun such as "tokens"
  uint64_t done = 0, total = 0;  // total 0: not known, no bar and no time left
  double seconds = 0;            // since the start
  double rate = 0;               // units a second, smoothed
};

/// One line of at most `width` columns: label, bar, percent, rate, time left; parts that do not fit are left out.
std::string progress_line(const ProgressState& state, int width);

/// A progress bar on standard error, shown only on a terminal and once the work has taken a second, and while none that
/// was made later is there; the line is cleared when the object goes. advance() may be called from any thread and costs
/// one atomic addition.
class Progress {
 public:
  Progress(std::string label, uint64_t total, std::string unit = "");
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(uint64_t units = 1);

  /// Takes the bar that is shown off the screen, for whoever ends the program.
  static void clear_shown();

 private:
  struct Ticker;
  std::unique_ptr<Ticker> ticker_;
};

/// Prints a line on standard error, above the progress bar where one is shown. `text` is made safe for a terminal.
void print_notice(std::string_view text);

}  // namespace octet
