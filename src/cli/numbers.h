#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>

namespace octet::cli {

/// Says that a value is empty; goes before (Option::transform) checks that would say something else of it.
CLI::Validator not_empty();

/// --seed, a number of 64 bits; `set` gets it.
CLI::Option* add_seed(CLI::App& app, const std::string& help, const std::function<void(uint64_t)>& set);

}  // namespace octet::cli
