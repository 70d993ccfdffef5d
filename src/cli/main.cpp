#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/edit_distance.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"
#include "cli/help.h"
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/verb.h"

namespace octet::cli {
namespace {

constexpr int kClosedPipe = 141;  // what a shell shows for a program that SIGPIPE ended

int report(int status, const std::string& message, bool json) {
  Progress::clear_shown();
  print_notice("octet: " + message);
  if (json && !has_printed()) print_json({{"error", printable(message)}});
  return status;
}

std::string unknown_verb(const std::string& word) {
  if (word.size() > 40) return "there is no such verb; octet --help lists them";
  for (const Verb& verb : verbs()) {
    if (edit_distance(word, verb.name) <= 2)
      return fmt::format("there is no verb {}; did you mean {}?", word, verb.name);
  }
  return fmt::format("there is no verb {}; octet --help lists them", word);
}

std::string usage_sentence(CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& arguments) {
  const auto chosen = app.get_subcommands();
  if (chosen.empty()) {
    for (const std::string& word : arguments) {
      if (word.rfind("-", 0) != 0) return unknown_verb(word);
    }
  }
  const std::string help = chosen.empty() ? "octet --help" : "octet " + chosen.front()->get_name() + " --help";
  for (const std::string& word : app.remaining(true)) {
    if (word.rfind("--", 0) == 0) return fmt::format("there is no option {} here; see {}", word, help);
  }
  return fmt::format("{}; see {}", error.what(), help);
}

// By what the help calls its value: N or X, with the range behind.
bool is_number(const CLI::Option& option) {
  const std::string name = option.get_type_name();
  return name == "N" || name == "X" || name.starts_with("N:") || name.starts_with("X:");
}

struct Program {
  CLI::App app{"Octet makes language models eight bits wide, proves what that costs, and runs them."};
  Common common;
  Run chosen;

  Program() {
    common.threads = usable_cores();
    app.name("octet");
    app.formatter(help_formatter());
    app.footer("octet VERB --help says more about a verb.");
    app.set_help_flag("-h,--help", "show this help");
    app.set_version_flag("--version", "octet " OCTET_VERSION, "show the version");
    app.require_subcommand(1);
    for (const Verb& verb : verbs()) add(verb);
  }

  void add(const Verb& verb) {
    CLI::App* sub = app.add_subcommand(verb.name, verb.summary);
    sub->footer(verb.example);
    Run run = verb.add(*sub);
    sub->add_option("--threads", common.threads, "threads to use")
        ->type_name("N")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    for (CLI::Option* option : sub->get_options()) {
      if (is_number(*option)) option->transform(not_empty());
    }
    sub->add_flag("--json", common.json, "one JSON object on standard output, everything else on standard error");
    sub->callback([this, run = std::move(run)] { chosen = run; });
  }
};

int run(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  limit_thread_stacks();
  install_signals(json);
  if (!arguments.empty() && arguments[0] == "help") {
    arguments.erase(arguments.begin());
    arguments.push_back("--help");
  }
  Program program;
  try {
    if (arguments.empty()) {
      print_notice("octet: no verb given; octet --help lists them");
      return kWrongUsage;
    }
    program.app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return program.chosen(program.common);
  } catch (const CLI::CallForHelp&) {
    const auto verb = program.app.get_subcommands();
    print(verb.empty() ? program.app.help() : verb.front()->help());
  } catch (const CLI::CallForVersion&) {
    print("octet " OCTET_VERSION "\n");
  } catch (const CLI::ParseError& error) {
    return report(kWrongUsage, usage_sentence(program.app, error, arguments), json);
  } catch (const UsageError& error) {
    return report(kWrongUsage, error.what(), json);
  } catch (const std::bad_alloc&) {
    return report(kFailed,
                  fmt::format("there is not enough memory for this: {}; fewer --threads, shorter inputs or a smaller "
                              "model take less",
                              memory_taken()),
                  json);
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::resource_unavailable_try_again) return report(kFailed, error.what(), json);
    return report(
        kFailed,
        fmt::format("a thread cannot be made: {}; give fewer --threads, or raise what limits them (ulimit -d, "
                    "ulimit -u)",
                    memory_taken()),
        json);
  } catch (const std::exception& error) {
    return report(kFailed, error.what(), json);
  }
  return 0;
}

}  // namespace
}  // namespace octet::cli

int main(int argc, char** argv) {
  int status = 0;
  try {
    status = octet::cli::run(argc, argv);
  } catch (const octet::cli::ClosedPipe&) {
    status = octet::cli::kClosedPipe;
  } catch (...) {  // not even the report of an error could be written
    status = octet::cli::kFailed;
  }
  // Stdio may still hold text of a library; nothing of ours.
  std::fflush(nullptr);
  octet::cli::leave(status);
}
