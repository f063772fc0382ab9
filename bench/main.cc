#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "child.h"
#include "clock.h"
#include "options.h"
#include "store.h"

namespace larder::bench {
namespace {

constexpr std::size_t mib = 1 << 20;

void name_missing_stores() {
  for (const StoreKind& kind : store_kinds()) {
    if (kind.open != nullptr) continue;
    fmt::print(stderr,
               "larder-bench: without {}, which was not there when this program was built; on "
               "Debian: apt-get install {}, then build again\n",
               kind.name, kind.package);
  }
}

std::vector<Suite> chosen_suites(const Options& options) {
  std::vector<Suite> chosen;
  for (const Suite& suite : suites()) {
    if (options.suite.empty() || options.suite == suite.name) chosen.push_back(suite);
  }
  return chosen;
}

int run_suites(const Options& options, const std::vector<Suite>& chosen, Workspace& workspace) {
  const bool quick = options.extent == Extent::quick;
  Report report(options.format);
  report.note(fmt::format("{}, {}", machine(), workspace.file_system()));
  const Corpus corpus = Corpus::from_libraries((quick ? 48 : 128) * mib);
  int status = 0;
  for (const Suite& suite : chosen) {
    const auto until = quick ? Clock::now() + suite.quick_time : Clock::time_point::max();
    const Context context = {workspace, corpus, report, options.extent, until};
    // Each in a process that no other suite has opened a store in: see fill_apart.
    if (apart([&] { return suite.run(context) == Verdict::failed ? 1 : 0; }) != 0) status = 1;
  }
  return status;
}

int run(const Options& options) {
  name_missing_stores();
  Workspace workspace(options.directory);
  const auto chosen = chosen_suites(options);
  std::uint64_t bytes = 0;
  for (const Suite& suite : chosen) {
    bytes += options.extent == Extent::quick ? suite.quick_bytes : suite.full_bytes;
  }
  workspace.require_space(bytes);
  // So that the folder goes, however the work ends.
  return interruptible([&] { return run_suites(options, chosen, workspace); });
}

}  // namespace
}  // namespace larder::bench

int main(int argc, char** argv) {
  try {
    const auto parsed = larder::bench::parse_options(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return *status;
    return larder::bench::run(std::get<larder::bench::Options>(parsed));
  } catch (const std::exception& error) {
    fmt::print(stderr, "larder-bench: {}\n", error.what());
    return 1;
  }
}
