#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/completion_scripts.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace octet::cli {
namespace {

CompletionOption describe(const CLI::Option& option) {
  CompletionOption result;
  for (const std::string& name : option.get_snames()) result.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) result.names.push_back("--" + name);
  result.description = option.get_description();
  result.value = value_name(option);
  result.values = listed_values(option);
  return result;
}

CompletionVerb describe(const CLI::App& app) {
  CompletionVerb verb{app.get_name(), app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) {
      verb.options.push_back(describe(*option));
      continue;
    }
    for (const std::string& value : listed_values(*option)) verb.words.push_back(value);
  }
  return verb;
}

int completion(const CLI::App& program, const std::string& shell, const Common& common) {
  std::vector<CompletionVerb> verbs;
  for (const CLI::App* app : program.get_subcommands([](const CLI::App*) { return true; }))
    verbs.push_back(describe(*app));
  const std::string script = shell == "zsh" ? zsh_completion(verbs) : bash_completion(verbs);
  common.json ? print_json({{"shell", shell}, {"script", script}}) : print(script);
  return 0;
}

}  // namespace

Run add_completion(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "which shell")->required()->check(CLI::IsMember({"bash", "zsh"}));
  return [shell, &app](const Common& common) { return completion(*app.get_parent(), *shell, common); };
}

}  // namespace octet::cli
