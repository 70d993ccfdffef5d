#include "cli/signals.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "base/deferred_end.h"
#include "base/escape.h"
#include "base/output.h"
#include "base/progress.h"
#include "cli/output.h"

namespace octet::cli {
namespace {

std::atomic<bool> file_was_cut{false};
bool with_json = false;

constexpr const char* kCutMessage =
    "a mapped file was cut short while it was read; leave a model's files alone while Octet reads them";

void tell_of_the_cut() {
  std::string line = std::string("octet: ") + kCutMessage + "\n";
  if (with_json && !has_printed()) print(std::string("{\"error\":\"") + kCutMessage + "\"}\n");
  if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

// In the thread that touched the lost page: hand over to the thread that may take locks, and never return.
void on_bus_error(int) {
  file_was_cut = true;
  ::kill(::getpid(), SIGTERM);
  for (;;) ::pause();
}

bool lies_in(const std::filesystem::path& path, const std::filesystem::path& directory) {
  return path != directory && path.string().starts_with(directory.string() + "/");
}

void tell_of_kept_work(const std::vector<std::filesystem::path>& kept) {
  for (const std::filesystem::path& part : kept) {
    if (std::any_of(kept.begin(), kept.end(), [&](const auto& other) { return lies_in(part, other); })) continue;
    print_notice(fmt::format("octet: interrupted: what is finished stands in {}; the same command goes on with it",
                             printable(part.string())));
  }
}

void wait_for_the_end(sigset_t set) {
  int number = 0;
  while (sigwait(&set, &number) != 0 || (!file_was_cut && DeferredEnd::defer(number))) continue;
  Progress::clear_shown();
  if (!file_was_cut && OutputDirectory::any_pending()) {
    const std::vector<std::filesystem::path> kept = OutputDirectory::remove_all_pending();
    if (kept.empty()) print_notice("octet: interrupted: nothing was finished yet, and nothing is left behind");
    tell_of_kept_work(kept);
  }
  if (file_was_cut) {
    try {
      tell_of_the_cut();
    } catch (...) {  // nobody reads standard output: the status still tells
    }
    leave(1);
  }
  leave(128 + number);
}

}  // namespace

void leave(int status) {
  Progress::clear_shown();
  OutputDirectory::remove_all_pending();
  ::_exit(status);
}

void install_signals(bool json) {
  with_json = json;
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // write() says EFBIG then
  struct sigaction action {};
  action.sa_handler = on_bus_error;
  ::sigaction(SIGBUS, &action, nullptr);

  // Signals that the caller chose to ignore stay ignored (nohup, a background job).
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    ::sigaction(number, nullptr, &before);
    if (before.sa_handler != SIG_IGN || number == SIGTERM) sigaddset(&set, number);
  }
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread(wait_for_the_end, set).detach();
}

}  // namespace octet::cli
