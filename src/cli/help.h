#pragma once
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
class FormatterBase;
}  // namespace CLI

namespace octet::cli {

/// --help: usage, what the verb does, its options, an example (the footer); as wide as the terminal, at most 100.
std::shared_ptr<CLI::FormatterBase> help_formatter();

/// The value an option takes as help shows it ("N", "FILE"), empty for a flag.
std::string value_name(const CLI::Option& option);

/// The values an option may take where they are listed (CLI::IsMember), else none.
std::vector<std::string> listed_values(const CLI::Option& option);

}  // namespace octet::cli
