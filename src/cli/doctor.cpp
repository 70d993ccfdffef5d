#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "base/threads.h"
#include "base/units.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "kernels/attention/attention.h"
#include "kernels/convert/convert.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gradient/gradient.h"
#include "kernels/operand/operand.h"
#include "kernels/optimizer/adam.h"
#include "kernels/quantize/list.h"
#include "report/text_table.h"
#include "train/processes.h"

namespace octet::cli {
namespace {

std::vector<kernels::FamilyChoice> all_families() {
  std::vector<kernels::FamilyChoice> families;
  for (const auto explain :
       {kernels::explain_gemm, kernels::explain_quantize, kernels::explain_attention, kernels::explain_elementwise,
        kernels::explain_convert, kernels::explain_operand, kernels::explain_gradient, kernels::explain_optimizer}) {
    for (auto& family : explain()) families.push_back(std::move(family));
  }
  return families;
}

std::vector<std::string> isa_list() {
  std::vector<std::string> names;
  for (const auto& row : kFeatureNames) {
    if (usable_features() & row.feature) names.emplace_back(row.name);
  }
  return names;
}

Json to_json(const std::vector<kernels::FamilyChoice>& families) {
  Json kernels = Json::array();
  for (const auto& family : families) {
    Json refused = Json::array();
    for (const auto& row : family.refused) refused.push_back({{"name", row.name}, {"reason", row.reason}});
    kernels.push_back({{"family", family.family}, {"chosen", family.chosen}, {"refused", refused}});
  }
  return kernels;
}

std::string kernel_table(const std::vector<kernels::FamilyChoice>& families) {
  report::TextTable table({"family", "kernel chosen", "refused, and why"});
  for (const auto& family : families) {
    table.add({family.family, family.chosen, family.refused.empty() ? "nothing: this is the fastest" : ""});
    for (const auto& row : family.refused) table.add({"", "", row.name + ": " + row.reason});
  }
  return table.text(Paint(STDOUT_FILENO));
}

int doctor(const Common& common) {
  const auto families = all_families();
  const auto isa = isa_list();
  const std::string mpi = train::mpi_version();
  if (common.json) {
    print_json({{"cpu", cpu_name()},
                {"isa", isa},
                {"cores", usable_cores()},
                {"memory_bytes", usable_memory()},
                {"version", OCTET_VERSION},
                {"mpi", mpi.empty() ? Json(nullptr) : Json(mpi)},
                {"kernels", to_json(families)}});
    return 0;
  }
  const Paint paint(STDOUT_FILENO);
  print(fmt::format("{}  {}\n", paint.bold("cpu   "), cpu_name()));
  print(fmt::format("{}  {}\n", paint.bold("isa   "),
                    isa.empty() ? "none that Octet has kernels for" : fmt::format("{}", fmt::join(isa, ", "))));
  print(fmt::format("{}  {} usable\n", paint.bold("cores "), usable_cores()));
  print(fmt::format("{}  {} usable\n", paint.bold("memory"), human_bytes(static_cast<double>(usable_memory()))));
  print(fmt::format("{}  {}\n\n", paint.bold("MPI   "),
                    mpi.empty() ? "none: octet was built without; it trains in one process" : mpi));
  print(kernel_table(families));
  return 0;
}

}  // namespace

Run add_doctor(CLI::App&) {
  return doctor;
}

}  // namespace octet::cli
