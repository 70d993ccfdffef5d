#include "cli/help.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "base/terminal.h"

namespace octet::cli {
namespace {

struct Row {
  std::string left, right;
};

// Words of `text` in lines of at most `width` columns, all but the first indented.
std::string wrapped(const std::string& text, int width, int indent) {
  std::string result, line;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!line.empty() && display_width(line) + 1 + display_width(word) > width) {
      result += line + "\n" + std::string(static_cast<size_t>(indent), ' ');
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return result + line;
}

class Help : public CLI::FormatterBase {
 public:
  Help() : paint_(STDOUT_FILENO), width_(std::clamp(terminal_width(STDOUT_FILENO), 50, 100)) {}

  std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
    const bool is_verb = app->get_parent() != nullptr;
    std::string text = wrapped(app->get_description(), width_, 0) + "\n\n" + usage(*app);
    std::vector<Row> verbs, arguments, options;
    for (const CLI::App* verb : app->get_subcommands([](const CLI::App*) { return true; })) {
      verbs.push_back({verb->get_name(), verb->get_description()});
    }
    for (const CLI::Option* option : app->get_options())
      (option->get_positional() ? arguments : options).push_back(row(*option));
    text += section("Verbs", verbs) + section("Arguments", arguments) + section("Options", options);
    if (is_verb) text += "\n" + paint_.bold("Example") + "\n  " + app->get_footer() + "\n";
    if (!is_verb) text += "\n" + wrapped(app->get_footer(), width_, 0) + "\n";
    return text;
  }

 private:
  std::string usage(const CLI::App& app) const {
    if (!app.get_parent()) return paint_.bold("Usage") + "\n  octet VERB [arguments] [options]\n";
    std::string line = "octet " + app.get_name();
    for (const CLI::Option* option : app.get_options()) {
      if (!option->get_positional()) continue;
      const std::string name = option->get_name(true, false) + (option->get_expected_max() > 1 ? "…" : "");
      line += option->get_required() ? " " + name : " [" + name + "]";
    }
    return paint_.bold("Usage") + "\n  " + line + " [options]\n";
  }

  static Row row(const CLI::Option& option) {
    if (option.get_positional()) return {option.get_name(true, false), option.get_description()};
    std::string left = option.get_name(false, true);
    for (size_t at = 0; (at = left.find(',', at)) != std::string::npos; at += 2) left.replace(at, 1, ", ");
    const std::string value = value_name(option);
    std::string right = option.get_description();
    const auto listed = listed_values(option);
    if (!listed.empty()) right += fmt::format(": {}", fmt::join(listed, ", "));
    if (!option.get_default_str().empty()) right += fmt::format(" (default {})", option.get_default_str());
    if (option.get_required()) right += " (required)";
    return {value.empty() ? left : left + " " + value, right};
  }

  std::string section(const char* title, const std::vector<Row>& rows) const {
    if (rows.empty()) return "";
    int left = 0;
    for (const Row& row : rows) left = std::max(left, std::min(display_width(row.left), 26));
    std::string text = "\n" + paint_.bold(title) + "\n";
    for (const Row& row : rows) {
      text += "  " + row.left;
      const int gap = left + 2 - display_width(row.left);
      text += gap >= 2 ? std::string(static_cast<size_t>(gap), ' ')
                       : "\n" + std::string(static_cast<size_t>(left) + 4, ' ');
      text += wrapped(row.right, width_ - left - 4, left + 4) + "\n";
    }
    return text;
  }

  Paint paint_;
  int width_;
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_formatter() {
  return std::make_shared<Help>();
}

std::string value_name(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return "";
  if (!listed_values(option).empty()) return "NAME";
  const std::string type = option.get_type_name();
  const std::string name = type.substr(0, type.find_first_of(": "));  // validators add ":…" or " in [1 - 9]"
  if (name == "INT" || name == "UINT" || name == "FLOAT") return "N";
  return name;
}

std::vector<std::string> listed_values(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t begin = type.find('{'), end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  return CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',');
}

}  // namespace octet::cli
