#include "cli/completion_scripts.h"

#include <fmt/format.h>

namespace octet::cli {
namespace {

std::string joined(const std::vector<std::string>& words, const char* between) {
  return fmt::format("{}", fmt::join(words, between));
}

std::vector<std::string> names_of(const std::vector<CompletionVerb>& verbs) {
  std::vector<std::string> names;
  for (const auto& verb : verbs) names.push_back(verb.name);
  return names;
}

bool is_path(const std::string& value) {
  for (const char* kind : {"FILE", "DIR", "MODEL", "argument"}) {
    if (value.find(kind) != std::string::npos) return true;
  }
  return false;
}

std::string bash_answer(const std::string& value, const std::vector<std::string>& values) {
  if (!values.empty()) return fmt::format("_octet_words '{}'", joined(values, " "));
  return is_path(value) ? "_octet_paths" : "COMPREPLY=()";
}

std::string bash_verb(const CompletionVerb& verb) {
  std::vector<std::string> names;
  std::string cases;
  for (const auto& option : verb.options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
    if (option.value.empty()) continue;
    cases +=
        fmt::format("        {}) {}; return ;;\n", joined(option.names, "|"), bash_answer(option.value, option.values));
  }
  const std::string rest = bash_answer("argument", verb.words);
  return fmt::format(
      "    {})\n      case $previous in\n{}      esac\n"
      "      if [[ $current == -* ]]; then _octet_words '{}'; else {}; fi ;;\n",
      verb.name, cases, joined(names, " "), rest);
}

// Inside '…' of an _arguments specification: quotes end it, [ ] and : have a meaning.
std::string zsh_text(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else if (c == '[' || c == ']' || c == ':' || c == '\\') {
      result += '\\';
      result += c;
    } else {
      result += c;
    }
  }
  return result;
}

std::string zsh_action(const std::string& value, const std::vector<std::string>& values) {
  if (!values.empty()) return fmt::format(":{}:({})", zsh_text(value), joined(values, " "));
  return fmt::format(":{}:{}", zsh_text(value), is_path(value) ? "_files" : " ");
}

std::string zsh_verb(const CompletionVerb& verb) {
  std::string text = fmt::format("    {})\n      _arguments -s", verb.name);
  for (const auto& option : verb.options) {
    for (const auto& name : option.names) {
      const std::string action = option.value.empty() ? "" : zsh_action(option.value, option.values);
      text += fmt::format(" \\\n        '{}[{}]{}'", name, zsh_text(option.description), action);
    }
  }
  text += fmt::format(" \\\n        '*{}' ;;\n", zsh_action("argument", verb.words));
  return text;
}

}  // namespace

std::string bash_completion(const std::vector<CompletionVerb>& verbs) {
  std::string text = "# bash completion of octet, written by: octet completion bash\n\n_octet() {\n";
  text +=
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  _octet_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$current\"); }\n"
      "  _octet_paths() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); }\n"
      "  if [[ $COMP_CWORD == 1 ]]; then\n";
  text += fmt::format("    _octet_words '{} --help --version'\n    return\n  fi\n", joined(names_of(verbs), " "));
  text += "  case ${COMP_WORDS[1]} in\n";
  for (const auto& verb : verbs) text += bash_verb(verb);
  return text + "  esac\n}\ncomplete -F _octet octet\n";
}

std::string zsh_completion(const std::vector<CompletionVerb>& verbs) {
  std::string text = "#compdef octet\n# zsh completion of octet, written by: octet completion zsh\n\n_octet() {\n";
  text += "  if (( CURRENT == 2 )); then\n    local -a verbs=(";
  for (const auto& verb : verbs) text += fmt::format("\n      '{}:{}'", verb.name, zsh_text(verb.summary));
  text += ")\n    _describe verb verbs\n    return\n  fi\n";
  text += "  local verb=${words[2]}\n  shift words\n  (( CURRENT-- ))\n  case $verb in\n";
  for (const auto& verb : verbs) text += zsh_verb(verb);
  return text + "  esac\n}\n\nif [[ $funcstack[1] == _octet ]]; then _octet \"$@\"; else compdef _octet octet; fi\n";
}

}  // namespace octet::cli
