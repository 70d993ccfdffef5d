#pragma once

namespace octet {

/// While one lives, Ctrl-C, SIGTERM and SIGHUP do not end the program at once: whoever made it looks for them where
/// nothing is lost by ending. A second one ends at once. One at a time.
class DeferredEnd {
 public:
  DeferredEnd();
  ~DeferredEnd();
  DeferredEnd(const DeferredEnd&) = delete;
  DeferredEnd& operator=(const DeferredEnd&) = delete;

  /// The signal that came; 0: none.
  static int signal();
  /// For the thread that gets the signals: whether somebody will look for this one.
  static bool defer(int signal);
};

}  // namespace octet
