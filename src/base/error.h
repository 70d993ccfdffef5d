#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace octet {

/// What went wrong, where, and what to do: one sentence a user can act on. The program prints it and exits with 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The command line asks for something that cannot be: exits with 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// fail("{}: tensor {} needs {} bytes …", path, name, bytes) throws Error.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace octet
