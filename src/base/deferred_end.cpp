#include "base/deferred_end.h"

#include <atomic>

namespace octet {
namespace {

std::atomic<bool> looked_for{false};
std::atomic<int> asked{0};

}  // namespace

DeferredEnd::DeferredEnd() {
  asked = 0;
  looked_for = true;
}

DeferredEnd::~DeferredEnd() {
  looked_for = false;
}

int DeferredEnd::signal() {
  return asked;
}

bool DeferredEnd::defer(int signal) {
  int none = 0;
  return looked_for && asked.compare_exchange_strong(none, signal);
}

}  // namespace octet
