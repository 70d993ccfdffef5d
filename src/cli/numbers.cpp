#include "cli/numbers.h"

#include <charconv>

#include "base/error.h"
#include "base/escape.h"

namespace octet::cli {

CLI::Validator not_empty() {
  return {[](const std::string& value) {
            return value.empty() ? std::string("has an empty value: give one, or leave the option out") : std::string();
          },
          "", ""};
}

CLI::Option* add_seed(CLI::App& app, const std::string& help, const std::function<void(uint64_t)>& set) {
  const auto read = [set](const std::string& text) {
    uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error != std::errc() || end != text.data() + text.size()) {
      throw UsageError(fmt::format("--seed {}: give a whole number from 0 to {}", printable(text, 40), UINT64_MAX));
    }
    set(seed);
  };
  return app.add_option_function<std::string>("--seed", read, help)->type_name("N");
}

}  // namespace octet::cli
