#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>

#include "base/error.h"

namespace octet {

/// A directory of the running test's own, empty, removed with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "octet-test-XXXXXX").string();
    if (!mkdtemp(name.data())) ADD_FAILURE() << "no temporary directory";
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// Expects an Error of one printable line that contains each of `parts`, within a second (ten under a sanitizer).
inline void expect_error(const std::function<void()>& body, std::initializer_list<std::string_view> parts) {
  const auto begin = std::chrono::steady_clock::now();
  std::string message;
  try {
    body();
    ADD_FAILURE() << "no error; expected one with \"" << (parts.size() ? *parts.begin() : "") << "\"";
    return;
  } catch (const Error& error) {
    message = error.what();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr double kMost = 10;
#else
  constexpr double kMost = 1;
#endif
  EXPECT_LT(seconds.count(), kMost) << message;
  EXPECT_LT(message.size(), 1000u) << message;
  for (const unsigned char c : message) EXPECT_TRUE(c >= 0x20 && c != 0x7F) << message;
  for (const auto part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
}

}  // namespace octet
