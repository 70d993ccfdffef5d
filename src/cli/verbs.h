#pragma once
#include "cli/verb.h"

namespace octet::cli {

// Each in the file of its name: add the options to `app`, return what runs.
Run add_bench(CLI::App& app);
Run add_completion(CLI::App& app);
Run add_compress(CLI::App& app);
Run add_diff(CLI::App& app);
Run add_doctor(CLI::App& app);
Run add_eval(CLI::App& app);
Run add_inspect(CLI::App& app);
Run add_run(CLI::App& app);
Run add_tokenize(CLI::App& app);
Run add_train(CLI::App& app);
Run add_train_tokenizer(CLI::App& app);

}  // namespace octet::cli
