#pragma once

namespace octet::cli {

/// Call before any thread is made. Ctrl-C and SIGTERM then remove unfinished output and end with 130 and 143; a mapped
/// file that was cut short ends with 1 and a sentence; a closed pipe is an error of the write, not a signal.
void install_signals(bool json);

/// Removes unfinished output, takes the progress bar off the screen, and ends at once.
[[noreturn]] void leave(int status);

}  // namespace octet::cli
